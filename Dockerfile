# The application and its `tidemark` command, without what only development needs:
#   docker build --tag tidemark .
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY scripts/build scripts/build/
COPY src src/
COPY drizzle drizzle/
# What runs: no types, no source maps, nothing that is there for `require`.
RUN npm run build \
  && node dist/cli/main.js build-steps --dir drizzle --out built/drizzle \
  && rm -r dist/cjs \
  && find dist -type f ! -name '*.js' ! -name '*.node' -delete && find dist -type d -empty -delete

FROM ${NODE_IMAGE}
WORKDIR /app
COPY package.json package-lock.json ./
# The embedded PostgreSQL is for development.
# npm installs what a linked package of the tests needs, whatever it is told to omit.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf test \
  && npm cache clean --force \
  && ln -s /app/dist/cli/main.js /usr/local/bin/tidemark \
  && printf '#!/bin/sh\nexec node /app/dist/main.js "$@"\n' > /usr/local/bin/tidemark-app \
  && chmod +x /usr/local/bin/tidemark-app
COPY --from=build /app/dist dist/
# With the code steps of migrations compiled.
COPY --from=build /app/built/drizzle drizzle/
ENV NODE_ENV=production
# A number, so that Kubernetes can tell that it is not root.
USER 1000:1000
# What faces the world. The details (errors, SQL, hosts) stay inside, on 127.0.0.1:13000.
EXPOSE 3000
# Alive, not ready: whoever restarts it must not end a migration.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
