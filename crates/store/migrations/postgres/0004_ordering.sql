-- Deliveries in order. The key is the caller's; the queue that a delivery waits in is one webhook's with one key.
-- Neither column costs anything where it is null.

-- As it was published, or null: what a later scheduling of the same event is ordered by.
alter table event add column ordering_key text;

-- Null for deliveries that wait for nobody. Empty where a webhook takes its deliveries one after the other.
-- Bytes and not text: keys are compared for being the same, never collated.
-- Only the smallest event id of a queue is ever attempted. The others have the due_at 9999-01-01 (in line) as soon as
-- somebody has looked, so that what is due can still be read from retry_due, however long a queue is.
alter table retry add column order_key bytea;

-- One seek finds the head of a queue. Unordered rows are not in it.
create index retry_order on retry (lane, webhook_id, order_key, event_id) where order_key is not null;

-- Without those in line, so that they cost it nothing. And no statement that looks for a row by its key can use it instead
-- of the primary key: to a planner that knows nothing of the table yet the two look equally good, but this one would be
-- read from the first due row of the webhook to the last, for each row that is looked for.
drop index retry_due;
create index retry_due on retry (lane, webhook_id, due_at) where due_at < '9999-01-01 00:00:00+00';
