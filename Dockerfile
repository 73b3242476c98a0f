# The daemon, and nothing else: no shell, not root. The environment configures it:
#
#   docker build -t pg-sync-roles .
#   docker run --rm -e PG_SYNC_ROLES_DATABASE_URL=postgres://pgsr:secret@db.example.com/warehouse pg-sync-roles
#
# Other commands in place of run:
#
#   docker run --rm -e PG_SYNC_ROLES_DATABASE_URL=… pg-sync-roles status

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /pg-sync-roles .

# static has the CA certificates for sslmode=verify-full, and the time zones.
FROM gcr.io/distroless/static:nonroot
COPY --from=build /pg-sync-roles /usr/local/bin/pg-sync-roles
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pg-sync-roles"]
CMD ["run"]
