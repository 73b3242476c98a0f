# The daemon, and nothing else: no shell, not root. The environment configures it; the connection string, which has the password in it, is
# in a file that user 65532 can read (docs/connect.md):
#
#   docker build -t pg-sync-roles .
#   docker run --rm -v ./database-url:/run/secrets/database-url:ro -e PG_SYNC_ROLES_DATABASE_URL_FILE=/run/secrets/database-url pg-sync-roles
#
# Other commands in place of run:
#
#   docker run --rm -v … -e … pg-sync-roles status

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /pg-sync-roles .

# static has the CA certificates for sslrootcert=system, and the time zones.
FROM gcr.io/distroless/static:nonroot
COPY --from=build /pg-sync-roles /usr/local/bin/pg-sync-roles
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pg-sync-roles"]
CMD ["run"]
