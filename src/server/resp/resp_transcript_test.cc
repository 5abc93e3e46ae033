// What each command answers, byte for byte, in RESP2 and RESP3; compared with Redis 7.0.15 where
// Redis has the command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/resp/resp_test_util.h"

namespace gyre {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Exchange {
  std::string send;          // words, in single blanks
  std::string answer;        // RESP2
  std::string answer3 = "";  // RESP3, if it differs
};

// Each table begins with an empty store, at a fixed time.
void Expect(const std::vector<Exchange>& exchanges) {
  for (const bool resp3 : {false, true}) {
    RespWorld world;
    if (resp3) world.Ask("HELLO 3");
    for (const Exchange& exchange : exchanges) {
      const bool differs = resp3 && !exchange.answer3.empty();
      EXPECT_EQ(world.Ask(exchange.send), differs ? exchange.answer3 : exchange.answer)
          << exchange.send << (resp3 ? " in RESP3" : " in RESP2");
    }
  }
}

constexpr const char* kNull = "$-1\r\n";
constexpr const char* kNull3 = "_\r\n";
constexpr const char* kOk = "+OK\r\n";

std::string Error(const std::string& text) { return "-" + text + "\r\n"; }
std::string Arity(const std::string& name) {
  return Error("ERR wrong number of arguments for '" + name + "' command");
}
const std::string kSyntax = Error("ERR syntax error");
const std::string kInteger = Error("ERR value is not an integer or out of range");
std::string BadTime(const std::string& name) {
  return Error("ERR invalid expire time in '" + name + "' command");
}

TEST(RespTranscriptTest, Strings) {
  Expect({
      {"GET a", kNull, kNull3},
      {"SET a b", kOk},
      {"GET a", "$1\r\nb\r\n"},
      {"get a", "$1\r\nb\r\n"},
      {"SET a ''", kOk},
      {"GET a", "$0\r\n\r\n"},
      {"SET a c GET", "$0\r\n\r\n"},
      {"SET new c GET", kNull, kNull3},
      {"GETSET a d", "$1\r\nc\r\n"},
      {"STRLEN a", ":1\r\n"},
      {"STRLEN none", ":0\r\n"},
      {"MSET a 1 b 2 a 3", kOk},
      {"MGET a none b a", "*4\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n",
       "*4\r\n$1\r\n3\r\n_\r\n$1\r\n2\r\n$1\r\n3\r\n"},
      {"MGET none", "*1\r\n$-1\r\n", "*1\r\n_\r\n"},
      {"GETDEL a", "$1\r\n3\r\n"},
      {"GETDEL a", kNull, kNull3},
      {"GET", Arity("get")},
      {"GET a b", Arity("get")},
      {"SET a", Arity("set")},
      {"MSET a", Arity("mset")},
      {"MSET a 1 b", Arity("mset")},
      {"MGET", Arity("mget")},
      {"SET a b FOO", kSyntax},
      {"SET a b EX", kSyntax},
      {"SET a b EX 10 PX 10", kSyntax},
      {"SET a b KEEPTTL EX 10", kSyntax},
      {"SET a b EX 10 PERSIST", kSyntax},
      {"SET a b EX x", kInteger},
      {"SET a b EX 1.5", kInteger},
      {"SET a b EX 0", BadTime("set")},
      {"SET a b PX -1", BadTime("set")},
      {"SET a b EX 9223372036854775807", BadTime("set")},
      {"SETEX a 0 b", BadTime("setex")},
      {"SETEX a x b", kInteger},
      {"PSETEX a 0 b", BadTime("psetex")},
      {"GETEX a EX 0", BadTime("getex")},
      {"GETEX a FOO", kSyntax},
      {"GETEX a EX 10 PERSIST", kSyntax},
      {"GETEX a KEEPTTL", kSyntax},
      {"GET ''", Error("ERR the key is empty: keys have 1 to 65536 bytes")},
  });
}

// The clock of the fake stands at 1,700,000,000 s.
TEST(RespTranscriptTest, Expiry) {
  Expect({
      {"TTL a", ":-2\r\n"},
      {"EXPIRE a 10", ":0\r\n"},
      {"PERSIST a", ":0\r\n"},
      {"SET a b", kOk},
      {"TTL a", ":-1\r\n"},
      {"PTTL a", ":-1\r\n"},
      {"EXPIRETIME a", ":-1\r\n"},
      {"PERSIST a", ":0\r\n"},
      {"EXPIRE a 10", ":1\r\n"},
      {"TTL a", ":10\r\n"},
      {"PTTL a", ":10000\r\n"},
      {"EXPIRETIME a", ":1700000010\r\n"},
      {"PEXPIRETIME a", ":1700000010000\r\n"},
      {"EXPIRE a 20 NX", ":0\r\n"},
      {"EXPIRE a 5 GT", ":0\r\n"},
      {"EXPIRE a 20 LT", ":0\r\n"},
      {"EXPIRE a 20 XX GT", ":1\r\n"},
      {"PEXPIRE a 5499 LT", ":1\r\n"},
      {"TTL a", ":5\r\n"},
      {"PERSIST a", ":1\r\n"},
      {"EXPIRE a 5 GT", ":0\r\n"},  // no expiry counts as endless
      {"EXPIREAT a 1700000100 NX", ":1\r\n"},
      {"TTL a", ":100\r\n"},
      {"PEXPIREAT a 1700000001000", ":1\r\n"},
      {"PTTL a", ":1000\r\n"},
      {"SET a c KEEPTTL", kOk},
      {"PTTL a", ":1000\r\n"},
      {"SET a c", kOk},
      {"PTTL a", ":-1\r\n"},
      {"GETEX a PX 700", "$1\r\nc\r\n"},
      {"PTTL a", ":700\r\n"},
      {"GETEX a PERSIST", "$1\r\nc\r\n"},
      {"PTTL a", ":-1\r\n"},
      {"GETEX a", "$1\r\nc\r\n"},
      {"GETEX none EX 5", kNull, kNull3},
      {"SETEX a 7 v", kOk},
      {"TTL a", ":7\r\n"},
      {"PSETEX a 7000 v", kOk},
      {"TTL a", ":7\r\n"},
      {"SET a b EXAT 1700000009", kOk},
      {"TTL a", ":9\r\n"},
      {"SET a b PXAT 1700000009500", kOk},
      {"PTTL a", ":9500\r\n"},
      {"EXPIRE a -1", ":1\r\n"},  // a past time deletes
      {"EXISTS a", ":0\r\n"},
      {"SET a b", kOk},
      {"EXPIREAT a 0", ":1\r\n"},
      {"GET a", kNull, kNull3},
      {"SET a b EXAT 1", kOk},
      {"GET a", kNull, kNull3},
      {"EXPIRE a x", kInteger},
      {"EXPIRE a 9223372036854775807", BadTime("expire")},
      {"EXPIRE a -9223372036854775808", BadTime("expire")},
      {"PEXPIRE a -9223372036854775808", ":0\r\n"},
      {"PEXPIRE a 9223372036854775807", BadTime("pexpire")},
      {"EXPIRE a 10 NX XX",
       Error("ERR NX and XX, GT or LT options at the same time are not compatible")},
      {"EXPIRE a 10 GT LT", Error("ERR GT and LT options at the same time are not compatible")},
      {"EXPIRE a 10 FOO", Error("ERR Unsupported option FOO")},
  });
}

// Goal: scenario 35: a value goes when its time has come.
TEST(RespTranscriptTest, ValuesExpire) {
  RespWorld world;
  world.Ask("SET a b PX 500");
  world.backend.Advance(Duration::Millis(499));
  EXPECT_EQ(world.Ask("PTTL a"), ":1\r\n");
  world.backend.Advance(Duration::Millis(1));
  EXPECT_EQ(world.Ask("GET a"), "$-1\r\n");
  EXPECT_EQ(world.Ask("TTL a"), ":-2\r\n");
  EXPECT_EQ(world.Ask("DBSIZE"), ":0\r\n");
}

TEST(RespTranscriptTest, Keys) {
  Expect({
      {"MSET a 1 b 12345678901234567890123456789012345678901234 c "
       "123456789012345678901234567890123456789012345",
       kOk},
      {"EXISTS a b none a", ":3\r\n"},
      {"EXISTS none", ":0\r\n"},
      {"TOUCH a none", ":1\r\n"},
      {"TYPE a", "+string\r\n"},
      {"TYPE none", "+none\r\n"},
      {"OBJECT ENCODING a", "$3\r\nint\r\n"},
      {"OBJECT encoding b", "$6\r\nembstr\r\n"},
      {"OBJECT ENCODING c", "$3\r\nraw\r\n"},
      {"OBJECT ENCODING none", kNull, kNull3},
      {"OBJECT REFCOUNT a", ":1\r\n"},
      {"OBJECT", Arity("object")},
      {"OBJECT FOO", Error("ERR unknown subcommand 'FOO'. Try OBJECT HELP.")},
      {"OBJECT ENCODING", Arity("object|encoding")},
      {"MEMORY USAGE none", kNull, kNull3},
      {"MEMORY USAGE a SAMPLES", kSyntax},
      {"MEMORY USAGE a SAMPLES -1", kSyntax},
      {"DEL a a none b", ":2\r\n"},
      {"DEL c", ":1\r\n"},
      {"UNLINK c", ":0\r\n"},
      {"EXISTS a b c", ":0\r\n"},
      {"DEL", Arity("del")},
  });
  RespWorld world;
  world.Ask("SET a 1");
  EXPECT_THAT(world.Ask("MEMORY USAGE a SAMPLES 5"), StartsWith(":"));
}

TEST(RespTranscriptTest, Connection) {
  Expect({
      {"PING", "+PONG\r\n"},
      {"PING hi", "$2\r\nhi\r\n"},
      {"PING a b", Arity("ping")},
      {"ECHO a", "$1\r\na\r\n"},
      {"ECHO", Arity("echo")},
      {"SELECT 0", kOk},
      {"SELECT 1", Error("ERR DB index is out of range")},
      {"SELECT -1", Error("ERR DB index is out of range")},
      {"SELECT x", kInteger},
      {"READONLY", kOk},
      {"READWRITE", kOk},
      {"CLIENT ID", ":1\r\n"},
      {"CLIENT GETNAME", kNull, kNull3},
      {"CLIENT SETNAME me", kOk},
      {"CLIENT GETNAME", "$2\r\nme\r\n"},
      {"CLIENT SETINFO LIB-NAME x", kOk},
      {"CLIENT SETINFO lib-ver 1", kOk},
      {"CLIENT SETINFO foo 1", Error("ERR Unrecognized option 'foo'")},
      {"CLIENT NO-EVICT on", kOk},
      {"CLIENT NO-TOUCH off", kOk},
      {"CLIENT NO-EVICT x", kSyntax},
      {"CLIENT REPLY x", kSyntax},
      {"CLIENT", Arity("client")},
      {"CLIENT FOO", Error("ERR unknown subcommand 'FOO'. Try CLIENT HELP.")},
      {"CLIENT TRACKING on", Error("ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.")},
      {"CLIENT MAINT_NOTIFICATIONS on",
       Error("ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.")},
      {"CLIENT LIST TYPE foo", Error("ERR Unknown client type 'foo'")},
      {"CLIENT LIST ID x", Error("ERR Invalid client ID")},
      {"CLIENT LIST TYPE pubsub", "$0\r\n\r\n", "=4\r\ntxt:\r\n"},
      {"AUTH x", Error("ERR AUTH <password> called without any password configured for the default "
                       "user. Are you sure your configuration is correct?")},
      {"AUTH a b", Error("WRONGPASS invalid username-password pair or user is disabled.")},
      {"AUTH default b", kOk},
      {"HELLO 4", Error("NOPROTO unsupported protocol version")},
      {"HELLO x", Error("ERR Protocol version is not an integer or out of range")},
      {"HELLO 3 foo", Error("ERR Syntax error in HELLO option 'foo'")},
      {"HELLO 3 AUTH a", Error("ERR Syntax error in HELLO option 'AUTH'")},
      {"HELLO 3 AUTH a b", Error("WRONGPASS invalid username-password pair or user is disabled.")},
      {"foo", Error("ERR unknown command 'foo', with args beginning with: ")},
      {"foo bar baz", Error("ERR unknown command 'foo', with args beginning with: 'bar' 'baz' ")},
      {"RESET", "+RESET\r\n"},
      {"CLIENT GETNAME", kNull},
      {"QUIT", kOk},
  });
}

// Goal: trap 12: the map of HELLO, to the letter.
TEST(RespTranscriptTest, HelloSwitchesTheProtocol) {
  RespWorld world;
  const std::string fields =
      "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:P\r\n"
      "$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
      "$7\r\nmodules\r\n*0\r\n";
  const auto with = [&](const std::string& head, char proto) {
    std::string text = head + fields;
    text[text.find(":P") + 1] = proto;
    return text;
  };
  EXPECT_EQ(world.Ask("HELLO"), with("*14\r\n", '2'));
  EXPECT_EQ(world.Ask("HELLO 3 SETNAME me"), with("%7\r\n", '3'));
  EXPECT_EQ(world.Ask("GET a"), "_\r\n");
  EXPECT_EQ(world.Ask("CLIENT GETNAME"), "$2\r\nme\r\n");
  EXPECT_EQ(world.Ask("HELLO 2"), with("*14\r\n", '2'));
  EXPECT_EQ(world.Ask("GET a"), "$-1\r\n");
}

TEST(RespTranscriptTest, Password) {
  RespWorld world({.password = "secret"});
  const std::string no_auth = Error("NOAUTH Authentication required.");
  const std::string wrong = Error("WRONGPASS invalid username-password pair or user is disabled.");
  EXPECT_EQ(world.Ask("GET a"), no_auth);
  EXPECT_EQ(world.Ask("PING"), no_auth);
  EXPECT_EQ(world.Ask("FOO"), Error("ERR unknown command 'FOO', with args beginning with: "));
  EXPECT_THAT(world.Ask("HELLO 3"), StartsWith("-NOAUTH HELLO must be called with the client"));
  EXPECT_EQ(world.Ask("AUTH wrong"), wrong);
  EXPECT_EQ(world.Ask("AUTH secre"), wrong);
  EXPECT_EQ(world.Ask("AUTH secrets"), wrong);
  EXPECT_EQ(world.Ask("AUTH ''"), wrong);
  EXPECT_EQ(world.Ask("AUTH other secret"), wrong);
  EXPECT_EQ(world.Ask("HELLO 3 AUTH default wrong"), wrong);
  EXPECT_EQ(world.Ask("GET a"), no_auth);
  EXPECT_EQ(world.Ask("AUTH secret"), kOk);
  EXPECT_EQ(world.Ask("GET a"), kNull);
  EXPECT_EQ(world.Ask("RESET"), "+RESET\r\n");
  EXPECT_EQ(world.Ask("GET a"), no_auth);
  EXPECT_THAT(world.Ask("HELLO 3 AUTH default secret"), StartsWith("%7\r\n"));
  EXPECT_EQ(world.Ask("GET a"), kNull3);
}

// Goal: trap 16: a stranger cannot make us buffer, and one pipelined write may hold AUTH and more.
TEST(RespTranscriptTest, StrangersHaveNarrowLimits) {
  RespWorld world({.password = "secret"});
  world.client.Send("*1\r\n$16385\r\n");
  EXPECT_EQ(world.client.Take(), Error("ERR Protocol error: unauthenticated bulk length"));
  EXPECT_TRUE(world.client.closing());
  EXPECT_EQ(world.service.counters().protocol_errors, 1u);

  FakeConnection other(world.service);
  other.Send(Command("AUTH secret") + Command("SET a " + std::string(20'000, 'x')));
  EXPECT_EQ(other.Take(), "+OK\r\n+OK\r\n");
}

TEST(RespTranscriptTest, Server) {
  Expect({
      {"TIME", "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n"},
      {"DBSIZE", ":0\r\n"},
      {"DBSIZE x", Arity("dbsize")},
      {"CONFIG GET save appendonly",
       "*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n\r\n",
       "%2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n\r\n"},
      {"CONFIG GET MAXMEM*",
       "*4\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n",
       "%2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n"},
      {"CONFIG GET nothing", "*0\r\n", "%0\r\n"},
      {"CONFIG GET", Arity("config|get")},
      {"CONFIG FOO", Error("ERR unknown subcommand 'FOO'. Try CONFIG HELP.")},
      {"INFO foo", "$0\r\n\r\n", "=4\r\ntxt:\r\n"},
      {"INFO cluster", "$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n",
       "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"},
      {"WAIT 0 0", ":0\r\n"},  // one node: no copy beside the first
      {"WAIT x 1", kInteger},
      {"WAIT 1 -1", Error("ERR timeout is negative")},
      {"WAIT 1 x", Error("ERR timeout is not an integer or out of range")},
      {"FUNCTION FLUSH", kOk},
      {"FUNCTION FLUSH ASYNC", kOk},
      {"FUNCTION FLUSH foo", Error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")},
      {"FUNCTION FOO", Error("ERR unknown subcommand 'FOO'. Try FUNCTION HELP.")},
      {"DEBUG SLEEP 1", Error("ERR DEBUG command not allowed: Gyre does not offer it")},
      {"FLUSHALL foo", kSyntax},
      {"FLUSHALL ASYNC SYNC", kSyntax},
      {"COMMAND FOO", Error("ERR unknown subcommand 'FOO'. Try COMMAND HELP.")},
      {"COMMAND LIST FILTERBY", kSyntax},
      {"COMMAND LIST FILTERBY PATTERN memory*",
       "*3\r\n$6\r\nmemory\r\n$11\r\nmemory|help\r\n$12\r\nmemory|usage\r\n"},
      {"COMMAND INFO get foo incr",
       "*3\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n"
       "+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n"
       "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\n"
       "index\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n"
       "$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n*-1\r\n*-1\r\n",
       "*3\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n"
       "+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n"
       "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\n"
       "index\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n"
       "$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n_\r\n_\r\n"},
      {"COMMAND DOCS strlen foo",
       "*2\r\n$6\r\nstrlen\r\n*6\r\n$7\r\nsummary\r\n$45\r\nBytes of the newest value, 0 if there "
       "is none\r\n$5\r\nsince\r\n$5\r\n2.2.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n",
       "%1\r\n$6\r\nstrlen\r\n%3\r\n$7\r\nsummary\r\n$45\r\nBytes of the newest value, 0 if there "
       "is none\r\n$5\r\nsince\r\n$5\r\n2.2.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"},
  });
  RespWorld world;
  // Trap 13: ioredis waits for this line.
  EXPECT_THAT(world.Ask("INFO"), HasSubstr("\r\nloading:0\r\n"));
  EXPECT_THAT(world.Ask("INFO"), HasSubstr("\r\nredis_version:7.0.15\r\ngyre_version:"));
  EXPECT_THAT(world.Ask("INFO server clients"), Not(HasSubstr("loading")));
  const std::string all = world.Ask("COMMAND");
  const std::string count = world.Ask("COMMAND COUNT");
  EXPECT_EQ("*" + count.substr(1), all.substr(0, count.size()));
  EXPECT_THAT(world.Ask("CLIENT LIST"),
              HasSubstr("id=1 addr=127.0.0.1:5555 fd=8 name= age=0 idle=0 flags=N db=0"));
}

TEST(RespTranscriptTest, NeedsLeader) {
  RespWorld world;
  for (const char* line : {"SETNX a b", "INCR a", "APPEND a b", "SETRANGE a 0 b", "MULTI", "EXEC",
                           "EVAL x 0", "LPUSH a b", "HSET a b c", "SADD a b", "ZADD a 1 b",
                           "PUBLISH a b", "SUBSCRIBE a", "RENAME a b", "WATCH a"}) {
    const std::string answer = world.Ask(line);
    std::string name(line, std::string_view(line).find(' ') == std::string_view::npos
                               ? std::string_view(line).size()
                               : std::string_view(line).find(' '));
    for (char& c : name) c = static_cast<char>(c + 32);
    EXPECT_THAT(answer, StartsWith("-ERR '" + name + "' needs a leader, and Gyre has none: "));
  }
  for (const char* line : {"SET a b NX", "SET a b XX EX 5", "SET a b NX GET"}) {
    EXPECT_THAT(world.Ask(line), StartsWith("-ERR 'set' with NX or XX needs a leader"));
  }
  EXPECT_EQ(world.Ask("GET a"), kNull);
}

// ---- KV.* -------------------------------------------------------------------------------------

std::string ContextIn(const std::string& bulk) {
  const std::size_t start = bulk.find("\r\n") + 2;
  return bulk.substr(start, bulk.size() - start - 2);
}

// Goal: siblings arise from writers that have not seen each other, and one that has seen all
// merges.
TEST(RespTranscriptTest, SiblingsAndContexts) {
  for (const bool resp3 : {false, true}) {
    RespWorld world;
    if (resp3) world.Ask("HELLO 3");
    const std::string map = resp3 ? "%2\r\n" : "*4\r\n";
    EXPECT_EQ(world.Ask("KV.GET a"), map + "$7\r\ncontext\r\n$0\r\n\r\n$6\r\nvalues\r\n*0\r\n");
    const std::string first = world.Ask("KV.PUT a '' one");
    const std::string second = world.Ask("KV.PUT a '' two");
    EXPECT_NE(first, second);
    const std::string seen = EncodeContext(world.backend.Find("a")->clock);
    EXPECT_EQ(world.Ask("KV.GET a"), map + "$7\r\ncontext\r\n$" + std::to_string(seen.size()) +
                                         "\r\n" + seen +
                                         "\r\n$6\r\nvalues\r\n*2\r\n$3\r\ntwo\r\n$3\r\none\r\n");
    EXPECT_EQ(world.Ask("GET a"), "$3\r\ntwo\r\n");
    const std::string merged = ContextIn(world.Ask("KV.PUT a " + seen + " both W 1 EX 5"));
    EXPECT_THAT(world.Ask("KV.GET a R one"), HasSubstr("values\r\n*1\r\n$4\r\nboth\r\n"));
    EXPECT_EQ(world.Ask("TTL a"), ":5\r\n");
    // A deletion that has not seen the merge leaves it.
    world.Ask("KV.DEL a " + ContextIn(first));
    EXPECT_EQ(world.Ask("GET a"), "$4\r\nboth\r\n");
    world.Ask("KV.DEL a " + merged + " W all");
    EXPECT_EQ(world.Ask("EXISTS a"), ":0\r\n");
    EXPECT_THAT(world.Ask("KV.GET a"), HasSubstr("values\r\n*0\r\n"));
  }
}

TEST(RespTranscriptTest, Native) {
  Expect({
      {"KV.GET a X 1", kSyntax},
      {"KV.GET a R", kSyntax},
      {"KV.PUT a '' b PX 0", BadTime("kv.put")},
      {"KV.PUT a '' b PX x", kInteger},
      {"KV.PUT a '' b PX 1 EX 1", kSyntax},
      {"KV.PUT a", Arity("kv.put")},
      {"KV.USE none", Error("ERR no such keyspace 'none': KV.KEYSPACES lists them")},
      {"KV.QUORUM",
       "*6\r\n$1\r\nR\r\n$6\r\nquorum\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n",
       "%3\r\n$1\r\nR\r\n$6\r\nquorum\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n"},
      {"KV.QUORUM R one W ALL", kOk},
      {"KV.QUORUM",
       "*6\r\n$1\r\nR\r\n$3\r\none\r\n$1\r\nW\r\n$3\r\nall\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n",
       "%3\r\n$1\r\nR\r\n$3\r\none\r\n$1\r\nW\r\n$3\r\nall\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n"},
      {"KV.QUORUM R 2 W default", kOk},
      {"KV.QUORUM",
       "*6\r\n$1\r\nR\r\n$1\r\n2\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n",
       "%3\r\n$1\r\nR\r\n$1\r\n2\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n"},
      {"KV.QUORUM R 4", Error("ERR the keyspace keeps fewer copies than 4")},
      {"KV.QUORUM R", kSyntax},
      {"KV.QUORUM SLOPPY", kSyntax},
      {"KV.QUORUM SLOPPY maybe", Error("ERR argument must be 'yes', 'no' or 'default'")},
      {"KV.QUORUM SLOPPY NO", kOk},
      {"KV.QUORUM R x SLOPPY yes", Error("ERR " + QuorumSpec::Parse("x").error().message)},
      {"KV.QUORUM",
       "*6\r\n$1\r\nR\r\n$1\r\n2\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$2\r\nno\r\n",
       "%3\r\n$1\r\nR\r\n$1\r\n2\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$2\r\nno\r\n"},
      {"KV.QUORUM R default SLOPPY default", kOk},
      {"KV.QUORUM",
       "*6\r\n$1\r\nR\r\n$6\r\nquorum\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n",
       "%3\r\n$1\r\nR\r\n$6\r\nquorum\r\n$1\r\nW\r\n$6\r\nquorum\r\n$6\r\nSLOPPY\r\n$3\r\nyes\r\n"},
      {"KV.GET a SLOPPY", kSyntax},
      {"KV.GET a SLOPPY 1", Error("ERR argument must be 'yes' or 'no'")},
      {"KV.GET a SLOPPY default", Error("ERR argument must be 'yes' or 'no'")},
      {"KV.GET a WITHMETA", kSyntax},
      {"KV.PUT a '' b SLOPPY", kSyntax},
      {"KV.PUT a '' b WITHMETA W", kSyntax},
      {"KV.DEL a '' PX 1", kSyntax},
      {"KV.STATUS", "$12\r\n{\"status\":1}\r\n", "=16\r\ntxt:{\"status\":1}\r\n"},
      {"KV.RING", "$10\r\n{\"ring\":1}\r\n", "=14\r\ntxt:{\"ring\":1}\r\n"},
      {"KV.KEYSPACES", "$15\r\n{\"keyspaces\":1}\r\n", "=19\r\ntxt:{\"keyspaces\":1}\r\n"},
      {"KV.EXPLAIN a", "$26\r\n{\"default\":\"a\",\"copies\":1}\r\n",
       "=30\r\ntxt:{\"default\":\"a\",\"copies\":1}\r\n"},
  });
  RespWorld world;
  EXPECT_THAT(world.Ask("KV.GET a R x"), StartsWith("-ERR "));
  EXPECT_THAT(world.Ask("KV.PUT a mangled b"), StartsWith("-ERR "));
  EXPECT_THAT(world.Ask("KV.DEL a mangled"), StartsWith("-ERR "));
  EXPECT_EQ(world.backend.submitted, 0u);
}

// Goal: WITHMETA says what the write came to, in either protocol, wherever it stands among the
// options. Paper 4.6.
TEST(RespTranscriptTest, WritesSayWhatTheyCameTo) {
  for (const bool resp3 : {false, true}) {
    RespWorld world;
    if (resp3) world.Ask("HELLO 3");
    world.backend.put_copies = 3;
    world.backend.put_hints = 1;
    world.backend.put_zones = 2;
    const auto expected = [&](const char* strict, const char* strict3) {
      const std::string context = EncodeContext(world.backend.Find("a")->clock);
      return (resp3 ? "%5\r\n" : "*10\r\n") + std::string("$7\r\ncontext\r\n$") +
             std::to_string(context.size()) + "\r\n" + context +
             "\r\n$6\r\ncopies\r\n:3\r\n$5\r\nhints\r\n:1\r\n$5\r\nzones\r\n:2\r\n"
             "$6\r\nstrict\r\n" +
             (resp3 ? strict3 : strict);
    };
    const std::string put = world.Ask("KV.PUT a '' v WITHMETA");
    EXPECT_EQ(put, expected(":0\r\n", "#f\r\n"));
    world.backend.put_strict = true;
    for (const char* line :
         {"KV.PUT a '' w withmeta W 1 SLOPPY no", "KV.PUT a '' x EX 9 WITHMETA W 1",
          "KV.DEL a '' WITHMETA", "KV.DEL a '' W 1 WITHMETA"}) {
      const std::string answer = world.Ask(line);
      EXPECT_EQ(answer, expected(":1\r\n", "#t\r\n")) << line;
    }
    EXPECT_THAT(world.Ask("KV.DEL a ''"), StartsWith("$"));
  }
}

// Goal: a connection's keyspace and quorums are in its requests; a keyspace's default TTL counts
// for every write without a time of its own.
TEST(RespTranscriptTest, KeyspaceAndQuorumOfTheConnection) {
  RespWorld world;
  world.Ask("SET a default");
  EXPECT_EQ(world.Ask("KV.USE brief"), kOk);
  EXPECT_EQ(world.Ask("GET a"), kNull);
  EXPECT_EQ(world.Ask("SET a brief"), kOk);
  EXPECT_EQ(world.Ask("TTL a"), ":60\r\n");
  EXPECT_EQ(world.Ask("MSET b 1"), kOk);
  EXPECT_EQ(world.Ask("TTL b"), ":60\r\n");
  world.Ask("KV.PUT c '' 1");
  EXPECT_EQ(world.Ask("TTL c"), ":60\r\n");
  EXPECT_EQ(world.Ask("SET a brief EX 5"), kOk);
  EXPECT_EQ(world.Ask("TTL a"), ":5\r\n");
  EXPECT_EQ(world.Ask("DBSIZE"), ":3\r\n");
  EXPECT_EQ(world.Ask("KV.QUORUM R one W all"), kOk);
  world.Ask("GET a");
  EXPECT_EQ(world.backend.last_options->read_quorum, QuorumSpec::One());
  EXPECT_EQ(world.backend.last_options->write_quorum, QuorumSpec::All());
  world.Ask("KV.GET a R 2");
  EXPECT_EQ(world.backend.last_options->read_quorum, QuorumSpec::Number(2));
  EXPECT_EQ(world.backend.last_options->sloppy, std::nullopt);
  EXPECT_EQ(world.Ask("KV.QUORUM SLOPPY no"), kOk);
  world.Ask("SET a 1");
  EXPECT_EQ(world.backend.last_options->sloppy, false);
  for (const char* line :
       {"KV.GET a SLOPPY yes", "KV.PUT a '' 1 SLOPPY YES", "KV.DEL a '' SLOPPY yes"}) {
    world.Ask(line);
    EXPECT_EQ(world.backend.last_options->sloppy, true) << line;
  }
  EXPECT_EQ(world.Ask("FLUSHDB"), kOk);
  EXPECT_EQ(world.Ask("DBSIZE"), ":0\r\n");
  world.Ask("RESET");
  EXPECT_EQ(world.Ask("GET a"), "$7\r\ndefault\r\n");
  EXPECT_FALSE(world.backend.last_options->read_quorum.has_value());
  EXPECT_FALSE(world.backend.last_options->sloppy.has_value());
}

// ---- errors -----------------------------------------------------------------------------------

// Goal: surely-not-applied and may-be-applied are told apart by the first word.
TEST(RespTranscriptTest, ErrorsOfTheCore) {
  const std::vector<std::pair<ErrorCode, std::string>> cases = {
      {ErrorCode::kInvalidArgument, "-ERR why not\r\n"},
      {ErrorCode::kUnavailable, "-UNAVAILABLE why not\r\n"},
      {ErrorCode::kOutcomeUnknown, "-UNKNOWN outcome: why not\r\n"},
      {ErrorCode::kOverloaded, "-BUSY why not\r\n"},
      {ErrorCode::kWrongEpoch, "-UNAVAILABLE why not\r\n"},
      {ErrorCode::kCorruption, "-CORRUPT why not\r\n"},
      {ErrorCode::kIoError, "-IOERR why not\r\n"},
      {ErrorCode::kUnsupported, "-ERR why not\r\n"},
  };
  for (const auto& [code, answer] : cases) {
    RespWorld world;
    world.backend.failure = gyre::Error{code, "why\nnot"};
    for (const char* line : {"GET a", "SET a b", "MGET a b", "MSET a b c d", "DEL a b", "SCAN 0",
                             "FLUSHALL", "DBSIZE", "KV.GET a", "KV.EXPLAIN a", "RANDOMKEY"}) {
      EXPECT_EQ(world.Ask(line), answer) << line;
    }
    EXPECT_EQ(world.Ask("PING"), "+PONG\r\n");
  }
}

// Goal: issue, must show 6: a value too large gets a clear error, and the connection lives on.
TEST(RespTranscriptTest, ValuesTooLarge) {
  RespWorld world({.value_bytes_max = 200'000});
  const std::string too_large = "-ERR value is larger than 200000 bytes (value_bytes_max)\r\n";
  EXPECT_EQ(world.Ask("SET a " + std::string(200'000, 'x')), kOk);
  EXPECT_EQ(world.Ask("SET a " + std::string(200'001, 'y')), too_large);
  EXPECT_EQ(world.Ask("STRLEN a"), ":200000\r\n");
  RespWorld small({.value_bytes_max = 10});
  for (const char* line : {"SET a 12345678901", "SETEX a 5 12345678901", "MSET a 12345678901",
                           "KV.PUT a '' 12345678901", "GETSET a 12345678901"}) {
    EXPECT_EQ(small.Ask(line), "-ERR value is larger than 10 bytes (value_bytes_max)\r\n");
  }
  EXPECT_EQ(small.Ask("SET " + std::string(65'536, 'k') + " 1"), kOk);
  EXPECT_EQ(small.Ask("SET " + std::string(65'537, 'k') + " 1"),
            "-ERR the key is larger than 65536 bytes\r\n");
  EXPECT_EQ(small.backend.rows(), 1u);
}

// Goal: scenario 32: a protocol error is answered after what came before it, then the connection
// closes and reads no more.
TEST(RespTranscriptTest, ProtocolErrorsClose) {
  RespWorld world;
  world.client.Send(Command("SET a b") + "*1\r\nPING\r\n" + Command("GET a"));
  EXPECT_EQ(world.client.Take(), "+OK\r\n-ERR Protocol error: expected '$', got 'P'\r\n");
  EXPECT_TRUE(world.client.closing());
  FakeConnection browser(world.service);
  browser.Send("POST / HTTP/1.1\r\nHost: a\r\n\r\nSET a evil\r\n");
  EXPECT_EQ(browser.Take(), "");
  EXPECT_TRUE(browser.closing());
  EXPECT_EQ(world.backend.submitted, 1u);
  EXPECT_EQ(world.service.counters().protocol_errors, 2u);
}

TEST(RespTranscriptTest, ClientReply) {
  RespWorld world;
  EXPECT_EQ(world.Ask("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(world.Ask("SET a b"), "");
  EXPECT_EQ(world.Ask("GET a"), "$1\r\nb\r\n");
  EXPECT_EQ(world.Ask("CLIENT REPLY OFF"), "");
  EXPECT_EQ(world.Ask("SET a c"), "");
  EXPECT_EQ(world.Ask("PING"), "");
  EXPECT_EQ(world.Ask("MGET a b"), "");
  EXPECT_EQ(world.Ask("CLIENT REPLY ON"), kOk);
  EXPECT_EQ(world.Ask("GET a"), "$1\r\nc\r\n");
}

// Goal: what redis-benchmark and people at telnet send.
TEST(RespTranscriptTest, InlineCommands) {
  RespWorld world;
  world.client.Send("PING\r\nset \"a b\" 'c'\r\nGET \"a b\"\n");
  EXPECT_EQ(world.client.Take(), "+PONG\r\n+OK\r\n$1\r\nc\r\n");
}

TEST(RespTranscriptTest, LatencyIsRecordedByOperation) {
  RespWorld world;
  for (const char* line : {"GET a", "MGET a b", "SET a b", "DEL a", "SCAN 0", "PING"}) {
    world.Ask(line);
  }
  EXPECT_THAT(world.backend.recorded, testing::ElementsAre(2, 1, 1, 1, 1));
  EXPECT_EQ(world.service.counters().commands, 6u);
}

}  // namespace
}  // namespace gyre
