// The data bridge of the platform: what its CEP and monitoring servers take events by.
// See protocol.md section 9.1: field ids and orders are those of the servers, and must not change.
//
// The code in generated/ is made of this file by
//
//   node conf/write-thrift-code.ts
//
// which runs, in this folder, with the compiler of Debian 12 (package thrift-compiler, 0.17.0):
//
//   thrift --gen js:node,es6,ts -out generated event-transmission.thrift

// For the peer of our tests, which is made of this file too.
namespace py event_transmission

exception ThriftAuthenticationException {
  1: string message
}

exception ThriftDifferentStreamDefinitionAlreadyDefinedException {
  1: string message
}

exception ThriftMalformedStreamDefinitionException {
  1: string message
}

exception ThriftStreamDefinitionException {
  1: string message
}

exception ThriftNoStreamDefinitionExistException {
  1: string message
}

exception ThriftUndefinedEventTypeException {
  1: string message
}

exception ThriftSessionExpiredException {
  1: string message
}

/** Several events, their attributes by type, one after the other. */
struct ThriftEventBundle {
  1: string sessionId
  2: i32 eventNum
  3: list<i32> intAttributeList
  4: list<i64> longAttributeList
  5: list<double> doubleAttributeList
  6: list<bool> boolAttributeList
  7: list<string> stringAttributeList
  8: optional map<i32, map<string, string>> arbitraryDataMapMap
}

service ThriftSecureEventTransmissionService {
  string connect(1: string userName, 2: string password)
    throws (1: ThriftAuthenticationException ae)

  void disconnect(1: string sessionId)
    throws (1: ThriftAuthenticationException ae)

  string defineStream(1: string sessionId, 2: string streamDefinition)
    throws (
      1: ThriftDifferentStreamDefinitionAlreadyDefinedException ade,
      2: ThriftMalformedStreamDefinitionException mtd,
      3: ThriftStreamDefinitionException tde,
      4: ThriftSessionExpiredException se
    )

  string findStreamId(1: string sessionId, 2: string streamName, 3: string streamVersion)
    throws (1: ThriftNoStreamDefinitionExistException tnde, 2: ThriftSessionExpiredException se)

  void publish(1: ThriftEventBundle eventBundle)
    throws (1: ThriftUndefinedEventTypeException ue, 2: ThriftSessionExpiredException se)
}
