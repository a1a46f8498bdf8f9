-- As in migrations/postgres. The index on due times ends with the event's id anyway, as it is part of the key.
update webhook
set settings = json_set(json_remove(settings, '$.active'), '$.stop',
                        json_object('state', 'disabled', 'reason', 'owner', 'since', updated_at))
where json_extract(settings, '$.active') = 0;
