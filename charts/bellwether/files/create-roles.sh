#!/bin/sh
# Run once by the image's entrypoint on an empty data directory. The roles' passwords are those of their connection strings.
set -eu
password_of() { sed -nE 's#^postgres(ql)?://[^:/@]+:([^@]+)@.*$#\2#p' "/run/secrets/postgres/$1"; }
risk_password=$(password_of risk-dsn)
broker_password=$(password_of broker-dsn)
gateway_password=$(password_of gateway-dsn)
if [ -z "$risk_password" ] || [ -z "$broker_password" ] || [ -z "$gateway_password" ]; then
  echo "risk-dsn, broker-dsn and gateway-dsn must have the form postgres://<role>:<password>@<host>:5432/<database>" >&2
  exit 1
fi
psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  -v risk_password="$risk_password" -v broker_password="$broker_password" -v gateway_password="$gateway_password" -f /etc/bellwether-postgres/create-roles.sql
