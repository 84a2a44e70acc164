# One target per program:
#
#   docker build --target operator .            also: signer-sidecar, cli
#
# The fixture-* targets are stand-ins and test programs. They are never part of a release.
#
# PROGRAMS=from-source (the default) installs by the lockfile and bundles inside the build. PROGRAMS=from-context takes
# dist/ as scripts/bundle.mjs left it in the build context: much faster for someone who has installed already.
# A registry that asks for credentials: --secret id=npmrc,src=$HOME/.npmrc. One behind a certificate authority of one's
# own: --secret id=ca,src=ca.crt. Neither file is in any layer. Podman 4 wants --build-arg PROGRAMS=from-source spelt out.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG BUILD_IMAGE=node:24-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG PROGRAMS=from-source

FROM ${BUILD_IMAGE} AS from-source
WORKDIR /src
# Headers of the Node in the image, so that native modules are built without fetching any.
ENV npm_config_nodedir=/usr/local
COPY package.json package-lock.json ./
COPY operator/package.json operator/
COPY signer-sidecar/package.json signer-sidecar/
COPY cli/package.json cli/
COPY e2e/package.json e2e/
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca,target=/run/ca.crt \
    --mount=type=cache,target=/root/.npm \
    export NODE_EXTRA_CA_CERTS=/run/ca.crt && npm ci --no-audit --no-fund
COPY scripts/bundle.mjs scripts/
COPY operator/src operator/src
COPY signer-sidecar/src signer-sidecar/src
COPY cli/src cli/src
COPY e2e/fixtures e2e/fixtures
RUN node scripts/bundle.mjs --if-present

FROM scratch AS from-context
COPY dist /src/dist

FROM ${PROGRAMS} AS programs

# Node, and a name for each user id of ours (operator/src/names.ts), because some libraries look their own user up.
FROM ${NODE_IMAGE} AS node-runtime
RUN for user in operator:10000 geth:10001 tessera:10002 sidecar:10003 client:10005; do \
      name=${user%:*} id=${user#*:}; \
      echo "$name:x:$id:$id::/nonexistent:/usr/sbin/nologin" >> /etc/passwd; echo "$name:x:$id:" >> /etc/group; \
    done
ENV NODE_ENV=production
WORKDIR /app

FROM node-runtime AS operator
LABEL org.opencontainers.image.title="quorum-operator" \
      org.opencontainers.image.description="Kubernetes operator for GoQuorum consortium networks" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=programs /src/dist/operator /app
USER 10000:10000
ENTRYPOINT ["/usr/local/bin/node", "/app/main.mjs"]

FROM node-runtime AS cli
LABEL org.opencontainers.image.title="kubectl-quorum" \
      org.opencontainers.image.description="Command line of the quorum operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=programs /src/dist/cli /app
USER 10000:10000
ENTRYPOINT ["/usr/local/bin/node", "/app/main.mjs"]

# Debian and glibc, because vendors' PKCS#11 modules are built for them; libssl3 and libstdc++6 are what they link to.
FROM node-runtime AS signer-sidecar-runtime
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 libstdc++6 && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

FROM signer-sidecar-runtime AS signer-sidecar
LABEL org.opencontainers.image.title="quorum-operator signer-sidecar" \
      org.opencontainers.image.description="The door of a GoQuorum node: TLS, tokens, scopes, and signing by an HSM" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=programs /src/dist/signer-sidecar /app
USER 10003:10003
ENTRYPOINT ["/usr/local/bin/node", "/app/main.mjs"]

FROM node-runtime AS fixture-quorum
LABEL org.opencontainers.image.title="Stand-in for GoQuorum (tests only)"
COPY e2e/fixtures/quorum/geth /usr/local/bin/geth
COPY --from=programs /src/dist/fixture-quorum /app
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/geth"]

FROM node-runtime AS fixture-tessera
LABEL org.opencontainers.image.title="Stand-in for Tessera (tests only)"
COPY e2e/fixtures/tessera/tessera /tessera/bin/tessera
COPY --from=programs /src/dist/fixture-tessera /app
USER 10002:10002
ENTRYPOINT ["/tessera/bin/tessera"]

FROM node-runtime AS fixture-client
LABEL org.opencontainers.image.title="Client of a node's door (tests only)"
COPY --from=programs /src/dist/fixture-client /app
USER 10005:10005
ENTRYPOINT ["/usr/local/bin/node", "/app/main.mjs"]

FROM ${DEBIAN_IMAGE} AS fixture-softhsm
LABEL org.opencontainers.image.title="SoftHSM's PKCS#11 module (tests and development only)"
RUN apt-get update && apt-get install -y --no-install-recommends libsofthsm2 && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
    && test -f /usr/lib/softhsm/libsofthsm2.so
USER 10003:10003
ENTRYPOINT ["/bin/cp"]

# The compiler behind just-in-time queries and Perl, for the distribution's wrappers, are most of it and of no use here.
FROM ${DEBIAN_IMAGE} AS fixture-postgres
LABEL org.opencontainers.image.title="The distribution's PostgreSQL server (tests and development only)"
RUN mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update && apt-get install -y --no-install-recommends postgresql-15 \
    && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/lib/*/libLLVM-* /usr/lib/*/libz3.so* \
         /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* /usr/share/postgresql/15/man \
         /usr/share/perl /usr/share/perl5 /usr/lib/*/perl \
    && groupadd --gid 10004 database && useradd --uid 10004 --gid 10004 --home-dir /nonexistent --no-create-home database
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 10004:10004
ENTRYPOINT ["postgres"]

# Around a GoQuorum binary of one's own: put it into the build context as goquorum/geth.
FROM ${DEBIAN_IMAGE} AS fixture-goquorum
LABEL org.opencontainers.image.title="GoQuorum, from a binary at hand (tests only)"
COPY goquorum/geth /usr/local/bin/geth
RUN chmod 0755 /usr/local/bin/geth && echo "geth:x:10001:10001::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/geth"]
