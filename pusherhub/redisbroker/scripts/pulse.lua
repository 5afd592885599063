-- What a partition knows of a node, and of its own memory. ARGV: node, a name for the memory if it is a new one, the name and the version that the caller
-- knows, the newest batch of the node that was entered under that name, and 1 if the node is to be entered. Returns the name, its age in ms, the version, and how many entries the node has: -1, if it is not known.
local meta, node = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', meta, 'e', 't', 'v', 'n' .. node, 'b' .. node)
local name, since, version, held = state[1], state[2], tonumber(state[3] or '0'), state[4]
local known = tonumber(ARGV[4])
-- a memory that is older than it was, as after the failover to a replica that lagged behind, counts as lost; it may have grown again since
local older = version < known or held and tonumber(state[5] or '0') < tonumber(ARGV[5])
if not name or (name == ARGV[3] and older) then
	name, since = ARGV[2], now
	redis.call('HSET', meta, 'e', name, 't', now)
end
if version < known then
	version = known
	redis.call('HSET', meta, 'v', version)
end
if not held and ARGV[6] == '1' then
	held = '0'
	redis.call('HSET', meta, 'n' .. node, 0)
end
return { name, now - since, tostring(version), tonumber(held or '-1') }
