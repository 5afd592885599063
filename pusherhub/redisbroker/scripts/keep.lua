-- Keeps an event and publishes it. If it cannot be kept, for lack of memory, it is published all the same. KEYS: where it is kept. ARGV: publishing,
-- the event, ms. Returns why it was not kept; empty, if it was.
local kept = redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call(ARGV[1], ARGV[2], '\1' .. ARGV[3])
return kept.err or ''
