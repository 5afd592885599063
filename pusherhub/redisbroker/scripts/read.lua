-- What the register has of a topic. KEYS: the partition's meta. ARGV: the topic. Returns the version, the topic's hash, the kept event if there is one, and for each node that
-- has members: the node, and the hash of its members.
local base, topic = string.sub(KEYS[1], 1, -5), ARGV[1]
local totals = redis.call('HGETALL', base .. 't:' .. topic)
local found = { redis.call('HGET', KEYS[1], 'v') or '0', totals, redis.call('GET', base .. 'k:' .. topic) }
for i = 1, #totals, 2 do
	local node = string.match(totals[i], '^m(.*)$')
	if node then
		found[#found + 1] = node
		found[#found + 1] = redis.call('HGETALL', base .. 'm:' .. #node .. ':' .. node .. topic)
	end
end
return found
