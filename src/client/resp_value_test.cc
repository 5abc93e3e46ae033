#include "client/resp_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "client/resp_client.h"

namespace gyre {
namespace {

using Kind = RespValue::Kind;
using testing::HasSubstr;

// Gives `bytes` in pieces of `piece` bytes, then ends.
class TextSource final : public ByteSource {
 public:
  TextSource(std::string bytes, std::size_t piece) : bytes_(std::move(bytes)), piece_(piece) {}
  Status ReadMore(std::string& buffer) override {
    if (at_ == bytes_.size()) return Fail(ErrorCode::kOutcomeUnknown, "the end");
    const std::size_t size = std::min(piece_, bytes_.size() - at_);
    buffer.append(bytes_, at_, size);
    at_ += size;
    return {};
  }

 private:
  std::string bytes_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

Result<RespValue> Read(const std::string& bytes, std::size_t piece = 1, ReplyLimits limits = {}) {
  TextSource source(bytes, piece);
  return ReplyReader(source, limits).Read();
}

// Goal: every type of RESP2 and RESP3 is read, however it is cut.
TEST(ReplyReaderTest, ReadsEveryType) {
  for (const std::size_t piece : {1, 2, 3, 1000}) {
    EXPECT_EQ(Read("+OK\r\n", piece)->text, "OK");
    EXPECT_TRUE(Read("-ERR no\r\n", piece)->is_error());
    EXPECT_EQ(Read("!6\r\nERR no\r\n", piece)->text, "ERR no");
    EXPECT_EQ(Read(":-42\r\n", piece)->integer, -42);
    EXPECT_EQ(Read("$5\r\na\r\nb\n\r\n", piece)->text, "a\r\nb\n");
    EXPECT_EQ(Read("$0\r\n\r\n", piece)->kind, Kind::kString);
    EXPECT_EQ(Read("$-1\r\n", piece)->kind, Kind::kNull);
    EXPECT_EQ(Read("*-1\r\n", piece)->kind, Kind::kNull);
    EXPECT_EQ(Read("_\r\n", piece)->kind, Kind::kNull);
    EXPECT_EQ(Read("#t\r\n", piece)->integer, 1);
    EXPECT_EQ(Read(",1.5\r\n", piece)->real, 1.5);
    EXPECT_EQ(Read("(123456789012345678901\r\n", piece)->text, "123456789012345678901");
    EXPECT_EQ(Read("=7\r\ntxt:abc\r\n", piece)->text, "abc");
    EXPECT_EQ(Read("|1\r\n+a\r\n+b\r\n:7\r\n", piece)->integer, 7);
    const RespValue map =
        Read("%2\r\n+context\r\n$1\r\nc\r\n+values\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", piece).value();
    EXPECT_EQ(map.Find("context")->text, "c");
    EXPECT_EQ(map.Find("values")->items.size(), 2u);
    EXPECT_EQ(map.Find("nothing"), nullptr);
    EXPECT_EQ(Read("*2\r\n+context\r\n+c\r\n", piece)->Find("context")->text, "c");
  }
}

// Goal: one reply after the other from one stream, nothing lost between them.
TEST(ReplyReaderTest, KeepsWhatFollows) {
  TextSource source("+a\r\n$1\r\nb\r\n:3\r\n", 1000);
  ReplyReader reader(source);
  EXPECT_EQ(reader.Read()->text, "a");
  EXPECT_EQ(reader.Read()->text, "b");
  EXPECT_EQ(reader.Read()->integer, 3);
  EXPECT_EQ(reader.Read().error().code, ErrorCode::kOutcomeUnknown);
}

// Goal: what is no RESP is an error, never a wrong value, a crash, or memory for what never came.
TEST(ReplyReaderTest, RefusesHostileReplies) {
  ReplyLimits limits;
  limits.bytes_max = 1000;
  limits.line_bytes_max = 100;
  limits.depth_max = 5;
  std::string deep;
  for (int i = 0; i < 10; ++i) deep += "*1\r\n";
  for (const std::string& bytes :
       {std::string("x\r\n"), std::string("\r\n"), std::string(":\r\n"), std::string(":1x\r\n"),
        std::string("$-2\r\n"), std::string("$5\r\nabcdefg"),
        std::string("$99999999999999999999\r\n"), std::string("$1001\r\n"),
        std::string("*9223372036854775807\r\n"), std::string("%9223372036854775807\r\n"),
        std::string("#x\r\n"), std::string(",\r\n"), "+" + std::string(200, 'x'), deep}) {
    const Result<RespValue> value = Read(bytes, 7, limits);
    ASSERT_FALSE(value) << bytes;
    EXPECT_EQ(value.error().code, ErrorCode::kCorruption) << bytes;
  }
  std::string many = "*500\r\n";
  for (int i = 0; i < 500; ++i) many += ":1\r\n";
  EXPECT_EQ(Read(many, 1000, limits).error().code, ErrorCode::kCorruption);
}

// Goal: no bytes, whatever they are, crash the reader.
TEST(ReplyReaderTest, SurvivesAnyBytes) {
  EXPECT_TRUE(rc::check([] {
    const auto bytes = *rc::gen::container<std::string>(
        rc::gen::elementOf(std::string("+-:$*%_#,|!=0123456789\r\n\r\n\r\nab")));
    ReplyLimits limits;
    limits.bytes_max = 10'000;
    const Result<RespValue> whole = Read(bytes, 1'000'000, limits);
    const Result<RespValue> cut = Read(bytes, 1, limits);
    RC_ASSERT(whole.has_value() == cut.has_value());
    if (whole) RC_ASSERT(whole->text == cut->text && whole->items.size() == cut->items.size());
  }));
}

// Goal: commands hold any bytes.
TEST(RespClientTest, EncodesCommandsBinarySafe) {
  const std::string_view command[] = {"SET", std::string_view("a\r\n\0", 4), ""};
  EXPECT_EQ(EncodeCommand(command),
            std::string("*3\r\n$3\r\nSET\r\n$4\r\na\r\n\0\r\n$0\r\n\r\n", 29));
}

// Goal: outcome unknown is never taken for failed, nor the other way round.
TEST(RespClientTest, ErrorWordsTellOutcomesApart) {
  EXPECT_EQ(ErrorOfReply("UNKNOWN it may be applied").code, ErrorCode::kOutcomeUnknown);
  EXPECT_EQ(ErrorOfReply("UNAVAILABLE too few").code, ErrorCode::kUnavailable);
  EXPECT_EQ(ErrorOfReply("BUSY later").code, ErrorCode::kOverloaded);
  EXPECT_EQ(ErrorOfReply("ERR unknown command 'x'").code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(ErrorOfReply("NOAUTH x").message, HasSubstr("NOAUTH"));
}

}  // namespace
}  // namespace gyre
