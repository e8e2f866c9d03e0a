# The gateway as plain JavaScript with its production dependencies, run by an ordinary user. Nothing in
# the image is written to, so it runs on a read-only root file system.

# The version that `npm test` runs on (devDependencies.node); a test keeps the two the same.
FROM node:24.21.0-trixie-slim AS base
WORKDIR /app
ENV NPM_CONFIG_AUDIT=false NPM_CONFIG_FUND=false NPM_CONFIG_UPDATE_NOTIFIER=false
COPY package.json package-lock.json .npmrc ./

# What runs in production. The optional dependencies are the embedded PostgreSQL: here DATABASE_URL names one.
FROM base AS dependencies
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM base AS build
# With the optional ones, since the compiler's own binary is one of them.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY ops ops
COPY src src
RUN npm run build

FROM base
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4100 DATA_DIR=/data
# A volume mounted here is made with this owner and mode. Without one nothing is kept: whatever would be
# generated in development has to come from the environment.
RUN install -d -o node -g node -m 0700 /data
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY migrations migrations

USER node
EXPOSE 4100
# Alive, not ready: a container is not to be restarted because the database or Tasker is out.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]

# Node itself gets the signal (no npm, no shell between) and lets calls under way end: give it 30 seconds.
# As process 1 it ignores signals until it listens for them, so run it under an init (`docker run --init`).
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "dist/main.js"]
