-- What the scripts that change the register have in common. KEYS[1] is the partition's meta, ARGV[1] the command that publishes,
-- ARGV[2] the beginning of pub/sub channels.
local meta = KEYS[1]
local base = string.sub(meta, 1, -5)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local remembered = 60000 -- ms for which a loss is

-- netstrings, of which everything consists that Go reads
local function ns(s)
	s = tostring(s)
	return #s .. ':' .. s
end

local made = {} -- transitions: topic, member, 1 for a gain, 0 for a loss

local function note(c, user, gained)
	made[#made + 1] = ns(c.topic) .. ns(user) .. ns(gained and 1 or 0)
end

local function lost_lately(key)
	local at = redis.call('ZSCORE', base .. 'x', key)
	return at and tonumber(at) > now - remembered
end

-- What is restored has been gained in a former memory already, unless this one has seen it lost since.
local function gain(c, user, restored)
	local key = ns(c.topic) .. user
	local lost = lost_lately(key)
	if lost then
		redis.call('ZREM', base .. 'x', key)
	end
	if lost or not restored then
		note(c, user, true)
	end
end

-- had: the register knew that the node held it. Nobody else does.
local function lose(c, user, had, restored)
	local key = ns(c.topic) .. user
	if had or restored and not lost_lately(key) then
		redis.call('ZADD', base .. 'x', now, key)
		redis.call('ZREMRANGEBYSCORE', base .. 'x', '-inf', now - remembered)
		redis.call('PEXPIRE', base .. 'x', remembered)
		note(c, user, false)
	end
end

-- A change of what a node holds of a topic. mark is what the node's field in meta begins with.
local function change(topic, node, mark)
	return {
		topic = topic,
		node = node,
		mark = mark,
		totals = base .. 't:' .. topic,
		users = base .. 'u:' .. topic,
		mine = base .. 'm:' .. #node .. ':' .. node .. topic,
		holdings = 0, -- by how many the node's entries grow
		news = {}, -- what is published
	}
end

local function set_count(c, count, restored)
	local field = 'c' .. c.node
	local before = tonumber(redis.call('HGET', c.totals, field) or '0')
	if count == before then
		if count == 0 and tonumber(redis.call('HGET', c.totals, 'n') or '0') == 0 then
			lose(c, '', false, restored)
		end
		return
	end
	redis.call('HINCRBY', c.totals, 's', count - before)
	if count > 0 then
		redis.call('HSET', c.totals, field, count)
		if before == 0 then
			c.holdings = c.holdings + 1
			redis.call('HINCRBY', c.totals, 'h', 1)
			if redis.call('HINCRBY', c.totals, 'n', 1) == 1 then
				gain(c, '', restored)
			end
		end
		c.news[#c.news + 1] = ns('c') .. ns(c.node) .. ns(count)
	else
		redis.call('HDEL', c.totals, field)
		redis.call('HINCRBY', c.totals, 'h', -1)
		c.holdings = c.holdings - 1
		if redis.call('HINCRBY', c.totals, 'n', -1) == 0 then
			lose(c, '', true, restored)
		end
		c.news[#c.news + 1] = ns('C') .. ns(c.node)
	end
end

local function join(c, user, since, info, restored)
	local value = since .. ':' .. info
	local before = redis.call('HGET', c.mine, user)
	if before == value then
		return
	end
	redis.call('HSET', c.mine, user, value)
	if not before then
		c.holdings = c.holdings + 1
		if redis.call('HSET', c.totals, 'm' .. c.node, 1) == 1 then
			redis.call('HINCRBY', c.totals, 'h', 1)
		end
		if redis.call('HINCRBY', c.users, user, 1) == 1 then
			gain(c, user, restored)
		end
	end
	c.news[#c.news + 1] = ns('m') .. ns(c.node) .. ns(user) .. ns(since) .. ns(info)
end

local function leave(c, user, restored)
	if redis.call('HDEL', c.mine, user) == 1 then
		c.holdings = c.holdings - 1
		if redis.call('HINCRBY', c.users, user, -1) == 0 then
			redis.call('HDEL', c.users, user)
			lose(c, user, true, restored)
		end
		if redis.call('EXISTS', c.mine) == 0 then
			redis.call('HDEL', c.totals, 'm' .. c.node)
			redis.call('HINCRBY', c.totals, 'h', -1)
		end
		c.news[#c.news + 1] = ns('M') .. ns(c.node) .. ns(user)
	elseif redis.call('HEXISTS', c.users, user) == 0 then
		lose(c, user, false, restored)
	end
end

-- Brings the indexes up to date and tells the nodes.
local function finish(c)
	if #c.news == 0 then
		return
	end
	if c.holdings ~= 0 then
		redis.call('HINCRBY', meta, c.mark .. c.node, c.holdings)
		local has = redis.call('HMGET', c.totals, 'c' .. c.node, 'm' .. c.node)
		redis.call((has[1] or has[2]) and 'SADD' or 'SREM', base .. 'h:' .. c.node, c.topic)
	end
	local totals = redis.call('HMGET', c.totals, 's', 'n', 'h')
	local app, channel = string.match(c.topic, '^c:([^:]*):(.*)$')
	if app then
		if tonumber(totals[2] or '0') > 0 then
			redis.call('HSET', base .. 'a:' .. app, channel, totals[1] .. ':' .. redis.call('HLEN', c.users))
		else
			redis.call('HDEL', base .. 'a:' .. app, channel)
		end
	end
	if totals[3] == '0' then
		redis.call('DEL', c.totals)
	end
	local version = redis.call('HINCRBY', meta, 'v', 1)
	redis.call(ARGV[1], ARGV[2] .. c.topic, '\2' .. ns(version) .. table.concat(c.news))
end
