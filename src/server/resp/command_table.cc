#include "server/resp/command_table.h"

#include <algorithm>
#include <array>

#include "server/resp/commands.h"

namespace gyre {
namespace {

// Columns: name, arity, flags, first and last key and step, group, access, histogram, handler,
// since, arguments, summary. Sorted by name, each command followed by its subcommands.
// clang-format off
constexpr auto kRO = CommandSpec::kFlagReadonly;
constexpr auto kW = CommandSpec::kFlagWrite;
constexpr auto kF = CommandSpec::kFlagFast;
constexpr auto kOom = CommandSpec::kFlagDenyOom;
constexpr auto kNA = CommandSpec::kFlagNoAuth;
constexpr std::uint16_t kCn = CommandSpec::kFlagNoScript | CommandSpec::kFlagLoading | CommandSpec::kFlagStale | CommandSpec::kFlagFast;
constexpr std::uint16_t kAd = CommandSpec::kFlagAdmin | CommandSpec::kFlagNoScript | CommandSpec::kFlagLoading | CommandSpec::kFlagStale;
constexpr std::uint16_t kAd2 = CommandSpec::kFlagLoading | CommandSpec::kFlagStale;
constexpr std::uint16_t kSlow = 0;

constexpr CommandSpec kOffered[] = {
    {"auth", -2, kCn | kNA, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, AuthCommand, "1.0.0", "[username] password", "Shows the password"},
    {"client", -2, kSlow, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, nullptr, "2.4.0", "subcommand", "About connections"},
    {"client|getname", 2, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientGetnameCommand, "2.6.9", "", "The name"},
    {"client|help", 2, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, HelpCommand, "5.0.0", "", "The subcommands"},
    {"client|id", 2, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientIdCommand, "5.0.0", "", "This connection's number"},
    {"client|info", 2, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientInfoCommand, "6.2.0", "", "This connection in a line"},
    {"client|kill", -3, kAd, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientKillCommand, "2.4.0", "...", "Not offered"},
    {"client|list", -2, kAd, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientListCommand, "2.4.0", "[TYPE normal|master|replica|pubsub] [ID id [id ...]]", "The connections of the thread that serves this one, a line each"},
    {"client|no-evict", 3, kAd, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientSwitchCommand, "7.0.0", "ON | OFF", "Accepted: Gyre evicts no clients"},
    {"client|no-touch", 3, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientSwitchCommand, "7.2.0", "ON | OFF", "Accepted: Gyre keeps no access times"},
    {"client|reply", 3, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientReplyCommand, "3.2.0", "ON | OFF | SKIP", "Whether answers are sent"},
    {"client|setinfo", 4, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientSetinfoCommand, "7.2.0", "LIB-NAME libname | LIB-VER libver", "What the client library says of itself"},
    {"client|setname", 3, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ClientSetnameCommand, "2.6.9", "name", "Names this connection"},
    {"command", -1, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, CommandCommand, "2.8.13", "", "All commands that are offered, as Redis describes commands"},
    {"command|count", 2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, CommandCountCommand, "2.8.13", "", "How many there are"},
    {"command|docs", -2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, CommandDocsCommand, "7.0.0", "[name ...]", "What they are for"},
    {"command|help", 2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, HelpCommand, "5.0.0", "", "The subcommands"},
    {"command|info", -2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, CommandInfoCommand, "2.8.13", "[name ...]", "Some of them"},
    {"command|list", -2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, CommandListCommand, "7.0.0", "[FILTERBY PATTERN pattern]", "Their names"},
    {"config", -2, kSlow, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, nullptr, "2.0.0", "subcommand", "Settings"},
    {"config|get", -3, kAd, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, ConfigGetCommand, "2.0.0", "pattern [pattern ...]", "Redis's settings, as far as they mean something here"},
    {"config|help", 2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, HelpCommand, "5.0.0", "", "The subcommands"},
    {"config|set", -4, kAd, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, ConfigSetCommand, "2.0.0", "...", "Refused: settings come from the configuration file"},
    {"dbsize", 1, kRO, 0, 0, 0, CommandGroup::kServer, KeyAccess::kAlone, Operation::kScan, DbsizeCommand, "1.0.0", "", "How many keys the keyspace holds. Counts them all, which reads all: seconds for each gigabyte"},
    {"debug", -2, kAd, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, DebugCommand, "1.0.0", "...", "Refused"},
    {"del", -2, kW, 1, -1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kDelete, DelCommand, "1.0.0", "key [key ...]", "Deletes keys; answers how many there were. Each on its own"},
    {"echo", 2, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, EchoCommand, "1.0.0", "message", "The message"},
    {"exists", -2, kRO | kF, 1, -1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, ExistsCommand, "1.0.0", "key [key ...]", "How many of the keys exist"},
    {"expire", -3, kW | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kPut, ExpireCommand, "1.0.0", "key seconds [NX | XX | GT | LT]", "When the values of a key expire; a time that is past deletes it. Answers 1 if it was set"},
    {"expireat", -3, kW | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kPut, ExpireatCommand, "1.2.0", "key unix-seconds [NX | XX | GT | LT]", "When the values of a key expire; a time that is past deletes it. Answers 1 if it was set"},
    {"expiretime", 2, kRO | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, ExpiretimeCommand, "7.0.0", "key", "The Unix time at which the newest value expires, in seconds; -1: never, -2: no such key"},
    {"flushall", -1, kW, 0, 0, 0, CommandGroup::kServer, KeyAccess::kAlone, Operation::kDelete, FlushallCommand, "1.0.0", "[ASYNC | SYNC]", "FLUSHDB of every keyspace"},
    {"flushdb", -1, kW, 0, 0, 0, CommandGroup::kServer, KeyAccess::kAlone, Operation::kDelete, FlushdbCommand, "1.0.0", "[ASYNC | SYNC]", "Deletes every key of the keyspace, one by one, with tombstones: a key written meanwhile may stay"},
    {"function", -2, kSlow, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, nullptr, "7.0.0", "subcommand", "Functions are not offered"},
    {"function|flush", -2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, FunctionFlushCommand, "7.0.0", "[ASYNC | SYNC]", "OK: there are none"},
    {"get", 2, kRO | kF, 1, 1, 1, CommandGroup::kString, KeyAccess::kRead, Operation::kGet, GetCommand, "1.0.0", "key", "The newest value of a key"},
    {"getdel", 2, kW | kF, 1, 1, 1, CommandGroup::kString, KeyAccess::kWrite, Operation::kDelete, GetdelCommand, "6.2.0", "key", "The newest value; deletes the key"},
    {"getex", -2, kW | kF, 1, 1, 1, CommandGroup::kString, KeyAccess::kWrite, Operation::kPut, GetexCommand, "6.2.0", "key [EX s | PX ms | EXAT unix-s | PXAT unix-ms | PERSIST]", "The newest value; sets when the key expires"},
    {"getset", 3, kW | kOom | kF, 1, 1, 1, CommandGroup::kString, KeyAccess::kWrite, Operation::kPut, GetsetCommand, "1.0.0", "key value", "SET with GET"},
    {"hello", -1, kCn | kNA, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, HelloCommand, "6.0.0", "[protover [AUTH username password] [SETNAME clientname]]", "Chooses RESP2 or RESP3"},
    {"info", -1, kAd2, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, InfoCommand, "1.0.0", "[section ...]", "The node in Redis's format. KV.STATUS tells more"},
    {"keys", 2, kRO, 0, 0, 0, CommandGroup::kGeneric, KeyAccess::kAlone, Operation::kScan, KeysCommand, "1.0.0", "pattern", "All keys that match. Reads the whole keyspace: SCAN is kinder"},
    {"kv.cluster", -2, kAd, 0, 0, 0, CommandGroup::kNative, KeyAccess::kAlone, Operation::kOther, KvClusterCommand, "0.1", "STATUS | STAGE json | PLAN | COMMIT | ABORT | DRAIN json | UNDRAIN", "Who the members are and what moves between them, and how to change that, as JSON (docs/cluster.md)"},
    {"kv.del", -3, kW | kF, 1, 1, 1, CommandGroup::kNative, KeyAccess::kWrite, Operation::kDelete, KvDelCommand, "0.1", "key context [W w] [SLOPPY yes|no] [WITHMETA]", "Deletes what the context covers; answers the context of the deletion"},
    {"kv.explain", 2, kRO, 1, 1, 1, CommandGroup::kNative, KeyAccess::kRead, Operation::kOther, KvExplainCommand, "0.1", "key", "Where a key lives and what each owner holds of it, as JSON"},
    {"kv.get", -2, kRO | kF, 1, 1, 1, CommandGroup::kNative, KeyAccess::kRead, Operation::kGet, KvGetCommand, "0.1", "key [R r] [SLOPPY yes|no]", "All values of a key that nobody has reconciled yet, newest first, and the context to write with"},
    {"kv.keyspaces", 1, kCn, 0, 0, 0, CommandGroup::kNative, KeyAccess::kNone, Operation::kOther, KvKeyspacesCommand, "0.1", "", "The keyspaces with their N, R, W and promises, as JSON"},
    {"kv.put", -4, kW | kOom | kF, 1, 1, 1, CommandGroup::kNative, KeyAccess::kWrite, Operation::kPut, KvPutCommand, "0.1", "key context value [W w] [PX ms | EX s] [SLOPPY yes|no] [WITHMETA]", "Writes a value over what the context covers; answers the context of what was written. The empty context means: I have seen nothing"},
    {"kv.quorum", -1, kCn, 0, 0, 0, CommandGroup::kNative, KeyAccess::kNone, Operation::kOther, KvQuorumCommand, "0.1", "[R one|quorum|all|local_quorum|each_quorum|n|default] [W ...] [SLOPPY yes|no|default]", "R, W and SLOPPY of this connection from now on; without arguments shows them"},
    {"kv.repair", 1, kCn, 0, 0, 0, CommandGroup::kNative, KeyAccess::kNone, Operation::kOther, KvRepairCommand, "0.1", "", "Compares all that this node holds with the other owners now. It happens by itself in time"},
    {"kv.ring", -1, kCn, 0, 0, 0, CommandGroup::kNative, KeyAccess::kNone, Operation::kOther, KvRingCommand, "0.1", "[WAIT epoch milliseconds]", "Who owns what, as JSON. `WAIT`: once its epoch is above the one given, or after so long (60000 at most), as it is then. What comes behind it on the connection is answered after it, so give it one of its own; past 256 that wait on one thread: `BUSY`"},
    {"kv.status", 1, kCn, 0, 0, 0, CommandGroup::kNative, KeyAccess::kNone, Operation::kOther, KvStatusCommand, "0.1", "", "What this node says of itself, as JSON"},
    {"kv.use", 2, kCn, 0, 0, 0, CommandGroup::kNative, KeyAccess::kNone, Operation::kOther, KvUseCommand, "0.1", "keyspace", "The keyspace of this connection from now on"},
    {"memory", -2, kSlow, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, nullptr, "4.0.0", "subcommand", "About memory"},
    {"memory|help", 2, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, HelpCommand, "4.0.0", "", "The subcommands"},
    {"memory|usage", -3, kRO, 2, 2, 1, CommandGroup::kServer, KeyAccess::kRead, Operation::kGet, MemoryUsageCommand, "4.0.0", "key [SAMPLES count]", "Bytes of a key's record as one replica stores it: all its values, clock and key"},
    {"mget", -2, kRO | kF, 1, -1, 1, CommandGroup::kString, KeyAccess::kRead, Operation::kGet, MgetCommand, "1.0.0", "key [key ...]", "The newest value of each key. Each key is read on its own, not all at one instant"},
    {"mset", -3, kW | kOom, 1, -1, 2, CommandGroup::kString, KeyAccess::kSet, Operation::kPut, MsetCommand, "1.0.1", "key value [key value ...]", "Writes each key on its own: not atomic, after an error some may be written"},
    {"object", -2, kSlow, 0, 0, 0, CommandGroup::kGeneric, KeyAccess::kNone, Operation::kOther, nullptr, "2.2.3", "subcommand", "What Redis tells of a stored object"},
    {"object|encoding", 3, kRO, 2, 2, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, ObjectEncodingCommand, "2.2.3", "key", "int, embstr or raw, as Redis would hold it"},
    {"object|help", 2, kCn, 0, 0, 0, CommandGroup::kGeneric, KeyAccess::kNone, Operation::kOther, HelpCommand, "6.2.0", "", "The subcommands"},
    {"object|refcount", 3, kRO, 2, 2, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, ObjectRefcountCommand, "2.2.3", "key", "Always 1"},
    {"persist", 2, kW | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kPut, PersistCommand, "2.2.0", "key", "Takes the expiry away; answers 1 if there was one"},
    {"pexpire", -3, kW | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kPut, PexpireCommand, "2.6.0", "key milliseconds [NX | XX | GT | LT]", "When the values of a key expire; a time that is past deletes it. Answers 1 if it was set"},
    {"pexpireat", -3, kW | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kPut, PexpireatCommand, "2.6.0", "key unix-milliseconds [NX | XX | GT | LT]", "When the values of a key expire; a time that is past deletes it. Answers 1 if it was set"},
    {"pexpiretime", 2, kRO | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, PexpiretimeCommand, "7.0.0", "key", "As EXPIRETIME, in milliseconds"},
    {"ping", -1, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, PingCommand, "1.0.0", "[message]", "PONG, or the message"},
    {"psetex", 4, kW | kOom, 1, 1, 1, CommandGroup::kString, KeyAccess::kSet, Operation::kPut, PsetexCommand, "2.6.0", "key milliseconds value", "SET with PX"},
    {"pttl", 2, kRO | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, PttlCommand, "2.6.0", "key", "As TTL, in milliseconds"},
    {"quit", -1, kCn | kNA, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, QuitCommand, "1.0.0", "", "Closes the connection after the answers that are due"},
    {"randomkey", 1, kRO, 0, 0, 0, CommandGroup::kGeneric, KeyAccess::kAlone, Operation::kScan, RandomkeyCommand, "1.0.0", "", "Some key"},
    {"readonly", 1, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, OkCommand, "3.0.0", "", "OK: every node serves every key"},
    {"readwrite", 1, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, OkCommand, "3.0.0", "", "OK"},
    {"reset", 1, kCn | kNA, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, ResetCommand, "6.2.0", "", "The connection as it was at its start"},
    {"scan", -2, kRO, 0, 0, 0, CommandGroup::kGeneric, KeyAccess::kAlone, Operation::kScan, ScanCommand, "2.8.0", "cursor [MATCH pattern] [COUNT count] [TYPE type]", "A page of the keys, and the cursor of the next. Any node goes on from any cursor. A key that is there throughout comes at least once, rarely twice"},
    {"select", 2, kCn, 0, 0, 0, CommandGroup::kConnection, KeyAccess::kNone, Operation::kOther, SelectCommand, "1.0.0", "index", "Only 0 exists: see KV.USE"},
    {"set", -3, kW | kOom, 1, 1, 1, CommandGroup::kString, KeyAccess::kSet, Operation::kPut, SetCommand, "1.0.0", "key value [GET] [EX s | PX ms | EXAT unix-s | PXAT unix-ms | KEEPTTL]", "Writes a value over all that its coordinator knows of the key. NX and XX are refused. GET and KEEPTTL read before they write: another writer may come between"},
    {"setex", 4, kW | kOom, 1, 1, 1, CommandGroup::kString, KeyAccess::kSet, Operation::kPut, SetexCommand, "2.0.0", "key seconds value", "SET with EX"},
    {"strlen", 2, kRO | kF, 1, 1, 1, CommandGroup::kString, KeyAccess::kRead, Operation::kGet, StrlenCommand, "2.2.0", "key", "Bytes of the newest value, 0 if there is none"},
    {"time", 1, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kNone, Operation::kOther, TimeCommand, "2.6.0", "", "Unix time: seconds, and microseconds within"},
    {"touch", -2, kRO | kF, 1, -1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, ExistsCommand, "3.2.1", "key [key ...]", "As EXISTS: Gyre keeps no access times"},
    {"ttl", 2, kRO | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, TtlCommand, "1.0.0", "key", "Seconds until the newest value expires; -1: never, -2: no such key"},
    {"type", 2, kRO | kF, 1, 1, 1, CommandGroup::kGeneric, KeyAccess::kRead, Operation::kGet, TypeCommand, "1.0.0", "key", "string or none"},
    {"unlink", -2, kW | kF, 1, -1, 1, CommandGroup::kGeneric, KeyAccess::kWrite, Operation::kDelete, DelCommand, "4.0.0", "key [key ...]", "As DEL"},
    {"wait", 3, kCn, 0, 0, 0, CommandGroup::kServer, KeyAccess::kAlone, Operation::kOther, WaitCommand, "3.0.0", "numreplicas timeout", "How many copies beside the first had acknowledged the earlier writes of this connection when they were answered: W - 1. Ask for more with KV.QUORUM W before writing"},
};

// Redis's commands that promise an order of all writes of a key (or of several keys), which only a
// leader can give; and what to do here.
struct Refusal {
  std::string_view names;
  std::string_view instead;
};
constexpr Refusal kRefusals[] = {
    {"setnx msetnx",
     "write with KV.PUT and an empty context; of concurrent writers each leaves a sibling, and KV.GET shows them all"},
    {"incr decr incrby decrby incrbyfloat",
     "count under one key per writer and add them up when reading"},
    {"append setrange setbit bitfield bitop",
     "read with KV.GET, change the value, and write it with KV.PUT and the context"},
    {"rename renamenx copy move",
     "read the key, write it under its new name, and delete the old one"},
    {"multi exec discard watch unwatch",
     "send the commands in a pipeline without MULTI (redis-py: pipeline(transaction=False)), and guard one key with KV.GET and KV.PUT"},
    {"eval evalsha eval_ro evalsha_ro script fcall fcall_ro",
     "do it in the client: read with KV.GET and write with KV.PUT and the context"},
    {"lpush rpush lpushx rpushx lpop rpop lrange llen lindex lset linsert lrem ltrim lpos lmove blmove lmpop blmpop blpop brpop rpoplpush brpoplpush",
     "keep the list as one value, and write it with KV.PUT and the context of KV.GET"},
    {"hset hsetnx hmset hget hmget hgetall hdel hexists hincrby hincrbyfloat hkeys hvals hlen hstrlen hscan hrandfield",
     "keep the hash as one value (JSON, say), or each field under a key of its own"},
    {"sadd srem smembers sismember smismember scard spop srandmember smove sscan sinter sintercard sinterstore sunion sunionstore sdiff sdiffstore",
     "keep the set as one value, and join the siblings of KV.GET as sets"},
    {"zadd zrem zscore zmscore zcard zcount zincrby zrank zrevrank zrange zrangestore zrangebyscore zrevrange zrevrangebyscore zrangebylex zrevrangebylex zlexcount zremrangebyrank zremrangebyscore zremrangebylex zpopmin zpopmax zmpop bzpopmin bzpopmax bzmpop zrandmember zscan zunion zunionstore zinter zintercard zinterstore zdiff zdiffstore geoadd geosearch geosearchstore geodist geohash geopos",
     "keep the ranking as one value, and write it with KV.PUT and the context of KV.GET"},
    {"pfadd pfcount pfmerge",
     "keep the sketch as one value, and merge the siblings of KV.GET"},
    {"xadd xread xreadgroup xrange xrevrange xlen xdel xtrim xack xclaim xautoclaim xgroup xinfo xpending xsetid",
     "give each entry a key of its own, or use a log such as Kafka"},
    {"publish subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe spublish pubsub",
     "use a message broker"},
    {"sort sort_ro",
     "sort in the client"},
};
// clang-format on

constexpr std::size_t CountWords(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

constexpr std::size_t CountRefused() {
  std::size_t count = 0;
  for (const Refusal& refusal : kRefusals) count += CountWords(refusal.names);
  return count;
}

constexpr std::size_t kCommandCount = std::size(kOffered) + CountRefused();

constexpr std::array<CommandSpec, kCommandCount> MakeTable() {
  std::array<CommandSpec, kCommandCount> table{};
  std::size_t at = 0;
  for (const CommandSpec& spec : kOffered) table[at++] = spec;
  for (const Refusal& refusal : kRefusals) {
    std::string_view names = refusal.names;
    while (!names.empty()) {
      const std::size_t end = std::min(names.find(' '), names.size());
      table[at++] = {names.substr(0, end),
                     -1,
                     0,
                     0,
                     0,
                     0,
                     CommandGroup::kNeedsLeader,
                     KeyAccess::kNone,
                     Operation::kOther,
                     RefuseNeedsLeader,
                     "",
                     "",
                     refusal.instead};
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }
  return table;
}

constexpr std::array<CommandSpec, kCommandCount> kTable = MakeTable();

// An open-addressed index over kTable, made at compile time; at most a quarter full.
constexpr std::size_t kIndexSize = 2048;
static_assert(kCommandCount * 4 <= kIndexSize && kCommandCount < 0xFFFF);
constexpr std::uint16_t kNoCommand = 0xFFFF;
constexpr std::size_t kNameMax = 24;

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

constexpr std::uint32_t HashStep(std::uint32_t hash, char c) {
  return (hash ^ static_cast<std::uint8_t>(Lower(c))) * 16777619u;
}
constexpr std::uint32_t kHashStart = 2166136261u;
constexpr std::size_t IndexOf(std::uint32_t hash) { return (hash ^ (hash >> 15)) % kIndexSize; }

constexpr std::array<std::uint16_t, kIndexSize> MakeIndex() {
  std::array<std::uint16_t, kIndexSize> index{};
  for (std::uint16_t& slot : index) slot = kNoCommand;
  for (std::size_t i = 0; i < kCommandCount; ++i) {
    std::uint32_t hash = kHashStart;
    for (const char c : kTable[i].name) hash = HashStep(hash, c);
    std::size_t at = IndexOf(hash);
    while (index[at] != kNoCommand) at = (at + 1) % kIndexSize;
    index[at] = static_cast<std::uint16_t>(i);
  }
  return index;
}

constexpr std::array<std::uint16_t, kIndexSize> kIndex = MakeIndex();

constexpr bool NamesAreUniqueAndShort() {
  for (std::size_t i = 0; i < kCommandCount; ++i) {
    if (kTable[i].name.size() > kNameMax) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (kTable[i].name == kTable[j].name) return false;
    }
  }
  return true;
}
static_assert(NamesAreUniqueAndShort());

// `name` = container, '|' and sub, or container alone.
const CommandSpec* Find(std::uint32_t hash, std::string_view container, std::string_view sub) {
  const std::size_t size = container.size() + (sub.empty() ? 0 : 1 + sub.size());
  for (std::size_t at = IndexOf(hash); kIndex[at] != kNoCommand; at = (at + 1) % kIndexSize) {
    const CommandSpec& spec = kTable[kIndex[at]];
    if (spec.name.size() != size) continue;
    std::size_t i = 0;
    while (i < container.size() && Lower(container[i]) == spec.name[i]) ++i;
    if (i < container.size()) continue;
    if (sub.empty()) return &spec;
    if (spec.name[i] != '|') continue;
    std::size_t j = 0;
    while (j < sub.size() && Lower(sub[j]) == spec.name[i + 1 + j]) ++j;
    if (j == sub.size()) return &spec;
  }
  return nullptr;
}

}  // namespace

bool CommandSpec::HasSubcommands() const {
  const CommandSpec* next = this + 1;
  return next < kTable.data() + kTable.size() && next->name.size() > name.size() &&
         next->name.starts_with(name) && next->name[name.size()] == '|';
}

std::span<const CommandSpec> AllCommands() { return kTable; }

const CommandSpec* FindCommand(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return nullptr;
  std::uint32_t hash = kHashStart;
  for (const char c : name) {
    if (c == '|') return nullptr;  // "client|id" is no command by itself
    hash = HashStep(hash, c);
  }
  return Find(hash, name, {});
}

const CommandSpec* FindSubcommand(const CommandSpec& container, std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return nullptr;
  std::uint32_t hash = kHashStart;
  for (const char c : container.name) hash = HashStep(hash, c);
  hash = HashStep(hash, '|');
  for (const char c : name) hash = HashStep(hash, c);
  return Find(hash, container.name, name);
}

std::string_view CommandGroupName(CommandGroup group) {
  switch (group) {
    case CommandGroup::kNative:
      return "gyre";
    case CommandGroup::kString:
      return "string";
    case CommandGroup::kGeneric:
      return "generic";
    case CommandGroup::kConnection:
      return "connection";
    case CommandGroup::kServer:
      return "server";
    case CommandGroup::kNeedsLeader:
      return "needs-leader";
  }
  return "";
}

}  // namespace gyre
