-- Finds the nodes that are to be reaped. KEYS: leases, dead. ARGV: nodes that a partition knows; one that has neither lease nor grave was
-- left behind by a call that came late. Returns some of them.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)) do
	redis.call('ZREM', KEYS[1], node)
	redis.call('ZADD', KEYS[2], now, node)
end
for _, node in ipairs(ARGV) do
	if not redis.call('ZSCORE', KEYS[1], node) then
		redis.call('ZADD', KEYS[2], 'NX', now, node)
	end
end
return redis.call('ZRANGE', KEYS[2], 0, 9)
