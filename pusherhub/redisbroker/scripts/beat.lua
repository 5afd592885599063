-- Makes a node's lease last. KEYS: leases, dead. ARGV: node, ms, and 1 if it is to have a first one. Returns whether it has one, and how many nodes have.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = 1
if ARGV[3] == '1' then
	known = redis.call('ZSCORE', KEYS[2], ARGV[1]) and 0 or 1
elseif not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
	known = 0
end
if known == 1 then
	redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
return { known, redis.call('ZCOUNT', KEYS[1], now + 1, '+inf') }
