-- A webhook is active unless its settings say why it is stopped; deliveries of a stopped one are held as retry rows.
-- A webhook that was switched off before is disabled by its owner.
update webhook
set settings = (settings - 'active') || jsonb_build_object('stop', jsonb_build_object(
    'state', 'disabled', 'reason', 'owner', 'since', (extract(epoch from updated_at) * 1000000)::int8))
where settings->>'active' = 'false';

-- What was held is delivered oldest first, and many rows may be due at the same moment: the event's id breaks ties, in
-- the index too, or each claim would sort all of them.
drop index retry_due;
create index retry_due on retry (lane, webhook_id, due_at, event_id);
