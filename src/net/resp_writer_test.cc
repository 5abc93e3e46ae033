#include "net/resp_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace gyre {
namespace {

template <typename Write>
std::string Written(bool resp3, Write&& write) {
  OutputBuffer out;
  RespWriter writer(out, resp3);
  write(writer);
  std::string all;
  std::string_view pieces[16];
  const std::size_t count = out.Peek(pieces, 16);
  for (std::size_t i = 0; i < count; ++i) all += pieces[i];
  EXPECT_EQ(all.size(), out.size());
  return all;
}

#define EXPECT_WRITES(call, resp2, resp3)                           \
  EXPECT_EQ(Written(false, [&](RespWriter& w) { w.call; }), resp2); \
  EXPECT_EQ(Written(true, [&](RespWriter& w) { w.call; }), resp3)

// Goal: each type in both protocols.
TEST(RespWriterTest, EveryType) {
  EXPECT_WRITES(Simple("PONG"), "+PONG\r\n", "+PONG\r\n");
  EXPECT_WRITES(Error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
  EXPECT_WRITES(Integer(0), ":0\r\n", ":0\r\n");
  EXPECT_WRITES(Integer(-10), ":-10\r\n", ":-10\r\n");
  EXPECT_WRITES(Integer(INT64_MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
  EXPECT_WRITES(Bulk(std::string_view("")), "$0\r\n\r\n", "$0\r\n\r\n");
  EXPECT_WRITES(Bulk(Bytes("a\r\nb")), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
  EXPECT_WRITES(BulkInteger(42), "$2\r\n42\r\n", "$2\r\n42\r\n");
  EXPECT_WRITES(Null(), "$-1\r\n", "_\r\n");
  EXPECT_WRITES(NullArray(), "*-1\r\n", "_\r\n");
  EXPECT_WRITES(Array(12), "*12\r\n", "*12\r\n");
  EXPECT_WRITES(Map(2), "*4\r\n", "%2\r\n");
  EXPECT_WRITES(Set(2), "*2\r\n", "~2\r\n");
  EXPECT_WRITES(Push(2), "*2\r\n", ">2\r\n");
  EXPECT_WRITES(Bool(true), ":1\r\n", "#t\r\n");
  EXPECT_WRITES(Bool(false), ":0\r\n", "#f\r\n");
  EXPECT_WRITES(Double(0.5), "$3\r\n0.5\r\n", ",0.5\r\n");
  EXPECT_WRITES(Double(-std::numeric_limits<double>::infinity()), "$4\r\n-inf\r\n", ",-inf\r\n");
  EXPECT_WRITES(Double(std::numeric_limits<double>::quiet_NaN()), "$3\r\nnan\r\n", ",nan\r\n");
  EXPECT_WRITES(Verbatim("txt", "hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
}

// Goal: a large value is not copied.
TEST(RespWriterTest, LargeValuesGoByReference) {
  const Bytes large(std::string(OutputBuffer::kByReferenceMin, 'x'));
  OutputBuffer out;
  RespWriter(out, false).Bulk(large);
  std::string_view pieces[4];
  ASSERT_EQ(out.Peek(pieces, 4), 3u);
  EXPECT_EQ(pieces[1].data(), large.data());
  // Also when the reply had to wait in a buffer of its own.
  OutputBuffer first;
  first.Append(std::string_view("+OK\r\n"));
  first.Append(std::move(out));
  ASSERT_EQ(first.Peek(pieces, 4), 3u);
  EXPECT_EQ(pieces[1].data(), large.data());
}

}  // namespace
}  // namespace gyre
