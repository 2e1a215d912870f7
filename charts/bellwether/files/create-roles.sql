-- What Bellwether needs in the database `bellwether`: three roles, each the owner of one schema, nothing else in common.
-- Only risk can insert a public key, only the broker can insert a fill; each grants the other SELECT in its own migrations.
-- The gateways' schema is theirs alone: no model's answer gets to money but through an intent that risk judges.
-- Variables: risk_password, broker_password, gateway_password (psql -v).
CREATE ROLE bellwether_risk LOGIN PASSWORD :'risk_password';
CREATE ROLE bellwether_broker LOGIN PASSWORD :'broker_password';
CREATE ROLE bellwether_gateway LOGIN PASSWORD :'gateway_password';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA risk AUTHORIZATION bellwether_risk;
CREATE SCHEMA broker AUTHORIZATION bellwether_broker;
CREATE SCHEMA gateway AUTHORIZATION bellwether_gateway;
CREATE EXTENSION IF NOT EXISTS vector;
