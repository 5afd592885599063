-- Takes what a dead node holds. ARGV: publishing (1, 2), node, how many entries at most, the caller and the number of its call, and ms for which
-- the answer is remembered. Returns whether nothing is left, and the transitions.
local node, left, caller, call = ARGV[3], tonumber(ARGV[4]), base .. 'r:' .. ARGV[5], ARGV[6]
local answered = redis.call('GET', caller)
if answered then
	local number, done, answer = string.match(answered, '^(%d+):(%d):(.*)$')
	if number == call then
		return { tonumber(done), answer }
	end
end
local held = redis.call('HGET', meta, 'n' .. node)
if held then -- from here on it is not known
	redis.call('HDEL', meta, 'n' .. node, 'b' .. node)
	redis.call('HSET', meta, 'r' .. node, held)
end
local topics = base .. 'h:' .. node
while left > 0 do
	local topic = redis.call('SRANDMEMBER', topics)
	if not topic then
		break
	end
	local c = change(topic, node, 'r')
	local users = redis.call('HRANDFIELD', c.mine, left)
	for _, user in ipairs(users) do
		leave(c, user, false)
	end
	left = left - #users
	if redis.call('EXISTS', c.mine) == 0 then
		set_count(c, 0, false)
		left = left - 1
		redis.call('SREM', topics, topic)
	end
	finish(c)
end
local done = 1 - redis.call('EXISTS', topics)
if done == 1 then
	redis.call('HDEL', meta, 'r' .. node)
	redis.call('DEL', base .. 'l:' .. node)
end
local answer = table.concat(made)
if answer ~= '' then
	redis.call('SET', caller, call .. ':' .. done .. ':' .. answer, 'PX', ARGV[7])
end
return { done, answer }
