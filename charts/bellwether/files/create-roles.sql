-- What Bellwether needs in the database `bellwether`: two roles, each the owner of one schema, nothing else in common.
-- Only risk can insert a public key, only the broker can insert a fill; each grants the other SELECT in its own migrations.
-- Variables: risk_password, broker_password (psql -v).
CREATE ROLE bellwether_risk LOGIN PASSWORD :'risk_password';
CREATE ROLE bellwether_broker LOGIN PASSWORD :'broker_password';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA risk AUTHORIZATION bellwether_risk;
CREATE SCHEMA broker AUTHORIZATION bellwether_broker;
CREATE EXTENSION IF NOT EXISTS vector;
