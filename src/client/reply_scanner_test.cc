#include "client/reply_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace gyre {
namespace {

const char* const kReplies[] = {
    "+OK\r\n",
    "-ERR no\r\n",
    ":-7\r\n",
    "_\r\n",
    "$-1\r\n",
    "$0\r\n\r\n",
    "$6\r\na\r\nb\r\n\r\n",
    "=9\r\ntxt:{\"a\"}\r\n",
    "*0\r\n",
    "*-1\r\n",
    "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
    "%2\r\n$7\r\ncontext\r\n$1\r\nc\r\n$6\r\nvalues\r\n*2\r\n$3\r\na\r\n\r\n$0\r\n\r\n",
    "|1\r\n+ttl\r\n:5\r\n*1\r\n+after\r\n",
    ">2\r\n+a\r\n#t\r\n",
};

// Goal: each reply ends where the reader that blocks would end it, however its bytes come in.
TEST(ReplyScannerTest, FindsTheEndAtEveryCut) {
  for (const std::string reply : kReplies) {
    const std::string stream = reply + "+next\r\n";
    ReplyScanner scanner;
    for (std::size_t size = 0; size < reply.size(); ++size) {
      const auto end = scanner.Scan(std::string_view(stream).substr(0, size));
      ASSERT_TRUE(end.has_value()) << reply;
      EXPECT_FALSE(end->has_value()) << reply << " at " << size;
    }
    for (int again = 0; again < 2; ++again) {  // and it is as new then
      const auto end = scanner.Scan(stream);
      ASSERT_TRUE(end.has_value() && end->has_value()) << reply;
      EXPECT_EQ(**end, reply.size());
    }
    EXPECT_TRUE(ParseReply(reply).has_value()) << reply;
    EXPECT_FALSE(ParseReply(std::string_view(reply).substr(0, reply.size() - 1))) << reply;
  }
}

// Goal: what is no RESP, or announces more than there may be, is an error at once.
TEST(ReplyScannerTest, HostileBytesAreErrors) {
  for (const std::string bad : {"\r\n", "$x\r\n", "$-2\r\n", "$99999999999999999999\r\n",
                                "$536870913\r\n", "*536870913\r\n", "*\r\n", "%536870912\r\n"}) {
    EXPECT_FALSE(ReplyScanner().Scan(bad).has_value()) << bad;
  }
  EXPECT_FALSE(ReplyScanner().Scan(std::string(65 * 1024, '+')).has_value());
  // Counts that only together are too many.
  std::string nested;
  for (int i = 0; i < 8; ++i) nested += "*100000000\r\n";
  EXPECT_FALSE(ReplyScanner().Scan(nested).has_value());
}

}  // namespace
}  // namespace gyre
