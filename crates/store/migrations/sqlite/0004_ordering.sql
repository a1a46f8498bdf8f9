-- Deliveries in order. What the columns mean is told in migrations/postgres.

alter table event add column ordering_key text;

alter table retry add column order_key blob;

create index retry_order on retry (lane, webhook_id, order_key, event_id) where order_key is not null;
