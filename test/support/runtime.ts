// npm scripts run on the pinned Node; a tool started by its path would silently test another one.
if (Number(process.versions.node.split('.')[0]) < 26) {
  throw new Error(`these tests need Node 26 (npm test pins it), this is ${process.versions.node}`);
}
