-- Enters what a node holds. ARGV: publishing (1, 2), node, batch, part of the batch, ms for which the answer is remembered, and for each update:
-- topic, restored (0, 1), count (-1: unchanged), number of members, and for each of them: user, gone (0, 1), restored (0, 1), since, info.
-- Returns whether the node is known, the memory's name, its version, and the transitions.
local node, batch, part = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local state = redis.call('HMGET', meta, 'n' .. node, 'e', 'v')
if not state[1] then
	return { 0, '', '0', '' }
end
local answers = base .. 'l:' .. node
local answered = redis.call('HGET', answers, part)
if answered then
	local number, answer = string.match(answered, '^(%d+):(.*)$')
	if tonumber(number) == batch then
		return { 1, state[2], state[3] or '0', answer }
	elseif tonumber(number) > batch then
		return { 1, state[2], state[3] or '0', '' } -- it was delayed on its way, and given up
	end
end
local i = 7
while i <= #ARGV do
	local c, restored, count, members = change(ARGV[i], node, 'n'), ARGV[i + 1] == '1', tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
	i = i + 4
	if count > 0 then
		set_count(c, count, restored)
	end
	for _ = 1, members do
		if ARGV[i + 1] == '1' then
			leave(c, ARGV[i], ARGV[i + 2] == '1')
		else
			join(c, ARGV[i], ARGV[i + 3], ARGV[i + 4], ARGV[i + 2] == '1')
		end
		i = i + 5
	end
	if count == 0 then
		set_count(c, 0, restored)
	end
	finish(c)
end
local answer = table.concat(made)
redis.call('HSET', answers, part, batch .. ':' .. answer)
redis.call('PEXPIRE', answers, ARGV[6])
redis.call('HSET', meta, 'b' .. node, batch)
return { 1, state[2], redis.call('HGET', meta, 'v') or '0', answer }
