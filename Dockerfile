# An image to build cartridges on: FROM it, install the service, put hooks into /etc/cartridge-agent/extensions, and
# give APPLICATION_PATH to the user below. Run it with the environment the platform gives (conf/docker/entrypoint.sh).
ARG NODE_IMAGE=node:26-bookworm-slim
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /opt/cartridge-agent
COPY package.json package-lock.json .npmrc ./
# The pinned Node comes as a package; its C headers are 67 MB that nothing here compiles against.
RUN npm ci --omit=dev && rm -rf node_modules/node-linux-*/include
COPY LICENSE ./
COPY agent ./agent
COPY plugins ./plugins
COPY state ./state
COPY conf ./conf

FROM ${BASE_IMAGE}
# git and openssh-client fetch artifacts, libatomic1 and libstdc++6 are Node's. tini: hooks start daemons, which end up
# as children of process 1; somebody has to bury them, and Node does not.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends \
    ca-certificates git libatomic1 libstdc++6 openssh-client tini \
  && rm -rf /var/lib/apt/lists/*

# What the entry script and the agent write is theirs; the code is root's.
RUN groupadd --gid 10001 cartridge \
  && useradd --uid 10001 --gid cartridge --home-dir /var/lib/cartridge-agent --no-create-home cartridge \
  && install --directory --owner=cartridge --group=cartridge --mode=0700 \
    /var/lib/cartridge-agent /etc/cartridge-agent/conf.d /etc/cartridge-agent/payload
COPY --from=build /opt/cartridge-agent /opt/cartridge-agent
# For people: docker exec ... cartridge-agent status.
RUN ln -s /opt/cartridge-agent/conf/cartridge-agent /usr/local/bin/cartridge-agent
COPY conf/agent.conf /etc/cartridge-agent/agent.conf
COPY conf/docker/container.conf /etc/cartridge-agent/conf.d/10-container.conf

ENV HOME=/var/lib/cartridge-agent \
  PATH=/opt/cartridge-agent/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /var/lib/cartridge-agent
# By number, so that a platform that refuses root can see that it is not.
USER 10001:10001
ENTRYPOINT ["tini", "--", "/opt/cartridge-agent/conf/docker/entrypoint.sh"]
CMD ["run"]
