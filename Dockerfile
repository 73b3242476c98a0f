# The daemon, and nothing else: no shell, not root. The environment configures it; the connection string, which has the password in it, is
# in a file that user 65532 can read (docs/connect.md):
#
#   docker build -t pg-sync-roles .
#   docker run --rm -v ./database-url:/run/secrets/database-url:ro -e PG_SYNC_ROLES_DATABASE_URL_FILE=/run/secrets/database-url pg-sync-roles
#
# Other commands in place of run:
#
#   docker run --rm -v … -e … pg-sync-roles status
#
# The bases are named by digest as well: whoever takes over their tags does not get into the image. Dependabot proposes newer ones.

# Go builds for any platform on the one it runs on.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:0f063af2d465d8dcae54cce04278ada488b96f77b42449c8d071e47d016cc65a AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -o /pg-sync-roles .

# static has the CA certificates for sslrootcert=system, and the time zones.
FROM gcr.io/distroless/static:nonroot@sha256:e2e927ec666bae08560abb3c55d0659eceabb657f56b6782ab500a9fc7f555e3
ARG VERSION=dev REVISION=unknown CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="pg-sync-roles" \
      org.opencontainers.image.description="Keeps PostgreSQL roles' privileges equal to rows in a table" \
      org.opencontainers.image.url="https://github.com/pg-sync-roles/pg-sync-roles" \
      org.opencontainers.image.source="https://github.com/pg-sync-roles/pg-sync-roles" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=build /pg-sync-roles /usr/local/bin/pg-sync-roles
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pg-sync-roles"]
CMD ["run"]
