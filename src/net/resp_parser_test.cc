#include "net/resp_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"

namespace gyre {
namespace {

using Status = RespParser::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What a stream comes to: each command as its words joined by '|', then "!error", "~too large" or
// "#attack".
std::vector<std::string> ParseAll(std::string_view input, const std::vector<std::size_t>& cuts,
                                  const RespLimits& limits = {}, bool authenticated = true,
                                  bool unget_each = false) {
  RespParser parser(limits, authenticated);
  std::vector<std::string> seen;
  std::string buffer;
  std::size_t sent = 0;
  for (std::size_t piece = 0; piece <= cuts.size(); ++piece) {
    const std::size_t end = piece < cuts.size() ? cuts[piece] : input.size();
    buffer += input.substr(sent, end - sent);
    sent = end;
    bool given_back = false;
    while (true) {
      const std::string copy = buffer;  // a place of its own, as after a buffer has grown
      std::size_t taken = 0;
      const Status status = parser.Next(copy, &taken);
      EXPECT_LE(taken, copy.size());
      if (status == Status::kCommand && unget_each && !given_back) {
        given_back = true;
        buffer.erase(0, taken - parser.Unget());
        continue;
      }
      given_back = false;
      if (status == Status::kCommand) {
        const RespArgs args = parser.args();
        std::string words;
        for (std::size_t i = 0; i < args.size(); ++i) {
          words += (i == 0 ? "" : "|") + std::string(args[i]);
        }
        seen.push_back(words);
      }
      if (status == Status::kTooLarge) seen.push_back("~" + parser.error());
      if (status == Status::kError) seen.push_back("!" + parser.error());
      if (status == Status::kAttack) seen.push_back("#attack");
      if (status == Status::kError || status == Status::kAttack) return seen;
      buffer.erase(0, taken);
      if (status == Status::kNeedMore) break;
    }
  }
  return seen;
}

RespLimits SmallLimits() {
  RespLimits limits;
  limits.args_max = 20;
  limits.bulk_bytes_max = 16;
  limits.bulk_bytes_hard_max = 64;
  limits.command_bytes_max = 120;
  limits.inline_bytes_max = 40;
  limits.unauthenticated_args_max = 3;
  limits.unauthenticated_bulk_bytes_max = 8;
  return limits;
}

std::string Filled(std::size_t size) { return std::string(size, 'x'); }
std::string Bulk(const std::string& bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
}

struct Case {
  std::string input;
  std::vector<std::string> seen;
  bool authenticated = true;
};

std::vector<Case> Cases() {
  return {
      {"*1\r\n$4\r\nPING\r\n", {"PING"}},
      {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", {"ECHO|"}},
      {std::string("*2\r\n$3\r\nGET\r\n$4\r\n\r\n\0x\r\n", 23), {std::string("GET|\r\n\0x", 8)}},
      {"*0\r\n*-1\r\n\r\n \r\n*1\r\n$1\r\na\r\n", {"a"}},
      {"PING\r\nPING\n", {"PING", "PING"}},
      {"  set  a\tb  \r\n", {"set|a|b"}},
      {"set \"a b\" 'c d'\r\n", {"set|a b|c d"}},
      {R"(e "\x41\n\t\q\"" 'it\'s' x"y z")"
       "\r\n",
       {"e|A\n\tq\"|it's|xy z"}},
      {R"(e "\x4g" "")"
       "\r\n",
       {"e|x4g|"}},
      {"e \"a\"b\r\n", {"!Protocol error: unbalanced quotes in request"}},
      {"e 'a\r\n", {"!Protocol error: unbalanced quotes in request"}},
      {"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", {"PING", "PING", "PING"}},
      // Lengths that are none.
      {"*x\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*01\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*+1\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*1 \r\n", {"!Protocol error: invalid multibulk length"}},
      {"*1\rx", {"!Protocol error: invalid multibulk length"}},
      {"*21\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*2147483648\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*99999999999999999999\r\n", {"!Protocol error: invalid multibulk length"}},
      {"*" + std::string(80, '1'), {"!Protocol error: too big mbulk count string"}},
      {"*1\r\n$x\r\n", {"!Protocol error: invalid bulk length"}},
      {"*1\r\n$-1\r\n", {"!Protocol error: invalid bulk length"}},
      {"*1\r\n$-0\r\n", {"!Protocol error: invalid bulk length"}},
      {"*1\r\n$65\r\n", {"!Protocol error: invalid bulk length"}},
      {"*1\r\n$9223372036854775808\r\n", {"!Protocol error: invalid bulk length"}},
      {"*1\r\n$" + std::string(80, '1'), {"!Protocol error: too big bulk count string"}},
      {"*1\r\nPING\r\n", {"!Protocol error: expected '$', got 'P'"}},
      {"*1\r\n\r\n", {"!Protocol error: expected '$', got '?'"}},
      {"*1\r\n$4\r\nPINGxx", {"!Protocol error: expected CR LF after a bulk string"}},
      {std::string(41, 'a'), {"!Protocol error: too big inline request"}},
      {std::string(40, 'a') + "\n", {std::string(40, 'a')}},
      // Browsers.
      {"POST / HTTP/1.1\r\nx", {"#attack"}},
      {"hOsT: example.org\r\n", {"#attack"}},
      {"*1\r\n$4\r\npost\r\n", {"#attack"}},
      // Larger than wanted, and the connection lives on.
      {"*2\r\n$3\r\nSET\r\n" + Bulk(Filled(17)) + "PING\r\n",
       {"~value is larger than 16 bytes (value_bytes_max)", "PING"}},
      {"*3\r\n$1\r\na\r\n" + Bulk(Filled(64)) + Bulk(Filled(64)) + "PING\r\n",
       {"~value is larger than 16 bytes (value_bytes_max)", "PING"}},
      {"*8\r\n" + Bulk(Filled(16)) + Bulk(Filled(16)) + Bulk(Filled(16)) + Bulk(Filled(16)) +
           Bulk(Filled(16)) + Bulk(Filled(16)) + Bulk(Filled(16)) + Bulk(Filled(16)) + "PING\r\n",
       {"~command is larger than 120 bytes: send it in parts", "PING"}},
      {"*2\r\n" + Bulk(Filled(20)) + "$3\r\nabcd\r\n",
       {"!Protocol error: expected CR LF after a bulk string"}},
      {"*2\r\n" + Bulk(Filled(20)) + "PING\r\n", {"!Protocol error: expected '$', got 'P'"}},
      // Strangers.
      {"*4\r\n", {"!Protocol error: unauthenticated multibulk length"}, false},
      {"*1\r\n$9\r\n", {"!Protocol error: unauthenticated bulk length"}, false},
      {"a b c d\r\n", {"!Protocol error: unauthenticated multibulk length"}, false},
      {"AUTH aaaaaaaaaa\r\n", {"!Protocol error: unauthenticated bulk length"}, false},
      {"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n", {"AUTH|pw"}, false},
  };
}

// Goal: commands and protocol errors are those of Redis 7, wherever the stream is cut, and a
// command that was given back comes again the same.
TEST(RespParserTest, SameCommandsWhereverTheStreamIsCut) {
  const RespLimits limits = SmallLimits();
  for (const Case& c : Cases()) {
    SCOPED_TRACE(testing::PrintToString(c.input));
    EXPECT_EQ(ParseAll(c.input, {}, limits, c.authenticated), c.seen);
    std::vector<std::size_t> every;
    for (std::size_t cut = 1; cut < c.input.size(); ++cut) {
      EXPECT_EQ(ParseAll(c.input, {cut}, limits, c.authenticated), c.seen) << "cut at " << cut;
      every.push_back(cut);
    }
    EXPECT_EQ(ParseAll(c.input, every, limits, c.authenticated), c.seen) << "one byte at a time";
    EXPECT_EQ(ParseAll(c.input, every, limits, c.authenticated, /*unget_each=*/true), c.seen);
  }
}

// Goal: failures.md 32: a stream of garbage gives the same in any pieces, and never more memory
// than it has bytes.
TEST(RespParserTest, GarbageIsReadAlikeInAnyPieces) {
  Prng prng(1);
  const std::vector<std::string> tokens = {"*",
                                           "$",
                                           "\r\n",
                                           "\n",
                                           "1",
                                           "2",
                                           "-1",
                                           "0",
                                           "16",
                                           "17",
                                           "65",
                                           "PING",
                                           "\"",
                                           "'",
                                           "\\",
                                           " ",
                                           "*1\r\n$1\r\na\r\n",
                                           "POST",
                                           std::string("\0", 1),
                                           "$1\r\nb\r\n"};
  for (int round = 0; round < 3000; ++round) {
    std::string input;
    for (std::uint64_t i = prng.Below(30); i > 0; --i) input += tokens[prng.Below(tokens.size())];
    std::vector<std::size_t> cuts;
    for (std::size_t at = prng.Below(4); at < input.size(); at += 1 + prng.Below(5)) {
      cuts.push_back(at);
    }
    ASSERT_EQ(ParseAll(input, {}, SmallLimits()), ParseAll(input, cuts, SmallLimits()))
        << testing::PrintToString(input);
  }
}

// Goal: a large command in small pieces costs as much as its bytes, not their square.
TEST(RespParserTest, PiecesAreNotReadAgain) {
  constexpr std::size_t kArgs = 20'000;
  std::string input = "*" + std::to_string(kArgs) + "\r\n";
  for (std::size_t i = 0; i < kArgs; ++i) input += "$3\r\nabc\r\n";
  input += "*2\r\n" + Bulk("SET") + Bulk(Filled(4'000'000));
  input += std::string(60'000, 'q') + "\n";
  RespParser parser{RespLimits{}};
  std::string_view unread(input.data(), 0);
  std::size_t commands = 0;
  std::size_t calls = 0;
  while (unread.data() + unread.size() < input.data() + input.size()) {
    const std::size_t left =
        static_cast<std::size_t>(input.data() + input.size() - (unread.data() + unread.size()));
    unread = {unread.data(), unread.size() + std::min<std::size_t>(left, 7)};
    std::size_t taken = 0;
    ++calls;
    if (parser.Next(unread, &taken) == Status::kCommand) ++commands;
    unread.remove_prefix(taken);
  }
  EXPECT_EQ(commands, 3u);
  // A parser that began anew each time would need far longer than the test's time limit.
  EXPECT_GT(calls, 500'000u);
}

// Goal: memory grows with what was received, not with what was announced.
TEST(RespParserTest, AnnouncementsCostNothing) {
  RespParser parser{RespLimits{}};
  std::size_t taken = 0;
  const std::string input = "*1048576\r\n$8388608\r\n";
  EXPECT_EQ(parser.Next(input, &taken), Status::kNeedMore);
  EXPECT_LT(parser.held_bytes(), 1024u);
}

// Goal: what one huge command needed is given back.
TEST(RespParserTest, MemoryIsGivenBack) {
  RespParser parser{RespLimits{}};
  std::string input = "*100000\r\n";
  for (int i = 0; i < 100'000; ++i) input += "$1\r\na\r\n";
  std::size_t taken = 0;
  ASSERT_EQ(parser.Next(input, &taken), Status::kCommand);
  EXPECT_EQ(taken, input.size());
  EXPECT_EQ(parser.args().size(), 100'000u);
  EXPECT_EQ(parser.Next("", &taken), Status::kNeedMore);
  EXPECT_LT(parser.held_bytes(), 32u * 1024);
}

// Goal: a bulk that is read over does not have to be buffered.
TEST(RespParserTest, OversizedBulkIsTakenAsItComes) {
  RespParser parser{RespLimits{}};
  std::size_t taken = 0;
  std::string input = "*3\r\n" + Bulk("SET") + Bulk("k") + "$9000000\r\n";
  ASSERT_EQ(parser.Next(input, &taken), Status::kNeedMore);
  EXPECT_EQ(taken, input.size());
  const std::string piece = Filled(100'000);
  for (int i = 0; i < 90; ++i) {
    ASSERT_EQ(parser.Next(piece, &taken), Status::kNeedMore);
    EXPECT_EQ(taken, piece.size());
  }
  EXPECT_EQ(parser.Next("\r\nPING\r\n", &taken), Status::kTooLarge);
  EXPECT_EQ(taken, 2u);
}

// Goal: after the password the limits are the wide ones.
TEST(RespParserTest, LimitsWidenOnceAuthenticated) {
  RespParser parser(SmallLimits(), /*authenticated=*/false);
  std::size_t taken = 0;
  ASSERT_EQ(parser.Next("*1\r\n$4\r\nAUTH\r\n", &taken), Status::kCommand);
  parser.set_authenticated(true);
  EXPECT_EQ(parser.Next("*1\r\n" + Bulk(Filled(16)), &taken), Status::kCommand);
}

}  // namespace
}  // namespace gyre
