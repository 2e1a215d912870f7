#!/bin/sh
# Initialises an empty data directory once, runs the scripts of /docker-entrypoint-initdb.d on it, then becomes the server.
#   POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD   password of the superuser (required for an empty data directory)
#   POSTGRES_USER (postgres), POSTGRES_DB (the user's name), PGDATA, POSTGRES_INITDB_ARGS
# Runs as any user with an entry in /etc/passwd, on a read-only root file system; writes to PGDATA, /tmp and the socket directory.
set -eu
umask 077

[ "${1:-postgres}" = postgres ] || [ "${1#-}" != "$1" ] || exec "$@"
case "${1:-}" in -*) set -- postgres "$@" ;; esac

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
say() { echo "entrypoint: $*" >&2; }

# PG_VERSION is the first file of initdb: only the marker, written last, says that the scripts have run, too. A pod killed in
# between starts over instead of going on with half a database.
marker="$PGDATA/.initialised"
if [ ! -e "$marker" ] && [ -e "$PGDATA/PG_VERSION" ]; then
  say "removing a data directory whose initialisation did not end"
  find "$PGDATA" -mindepth 1 -delete
fi

if [ ! -e "$marker" ]; then
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    say "POSTGRES_PASSWORD_FILE (or POSTGRES_PASSWORD) is needed to initialise $PGDATA"
    exit 1
  fi
  mkdir -p "$PGDATA"
  secret=$(mktemp)
  trap 'rm -f "$secret"' EXIT
  printf '%s\n' "$POSTGRES_PASSWORD" >"$secret"
  # shellcheck disable=SC2086
  initdb --username="$user" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 ${POSTGRES_INITDB_ARGS:-}
  rm -f "$secret"
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

  # Without a TCP port: nobody connects to a database that is still being made.
  pg_ctl -D "$PGDATA" -w -t 60 -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
  export PGHOST=/tmp PGUSER="$user"
  [ "$database" = postgres ] || createdb "$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) say "running $file"; if [ -x "$file" ]; then PGDATABASE="$database" "$file"; else PGDATABASE="$database" POSTGRES_USER="$user" POSTGRES_DB="$database" . "$file"; fi ;;
      *.sql) say "running $file"; psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --dbname "$database" -f "$file" ;;
    esac
  done
  unset PGHOST PGUSER
  pg_ctl -D "$PGDATA" -m fast -w stop
  : >"$marker"
  sync
fi
unset POSTGRES_PASSWORD

# Durability is the point of the journal: said here, so that no mounted configuration loses it by accident.
exec "$@" -c listen_addresses='*' -c fsync=on -c full_page_writes=on -c synchronous_commit=on
