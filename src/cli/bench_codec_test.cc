#include "cli/bench_codec.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

using Kind = BenchReply::Kind;
using Outcome = BenchCodec::Outcome;

BenchOptions Options(BenchProtocol protocol, std::size_t value_bytes) {
  BenchOptions options;
  options.protocol = protocol;
  options.value_bytes = value_bytes;
  return options;
}

std::string ValueOf(const BenchWorkload& workload, std::uint64_t key) {
  std::string value;
  workload.AppendValue(key, value);
  return value;
}

// Presents `stream` cut at every place, and expects the same single answer each time.
void ExpectOneReply(const BenchWorkload& workload, const std::string& stream, Kind kind,
                    const std::string& text) {
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    const auto codec = MakeBenchCodec(workload);
    std::string request, out;
    codec->Get(7, request);
    BenchReply reply;
    std::size_t consumed = 0;
    if (cut < stream.size()) {
      ASSERT_EQ(codec->Parse(stream.substr(0, cut), consumed, reply, out), Outcome::kNeedMore)
          << cut;
    }
    ASSERT_EQ(codec->Parse(std::string_view(stream).substr(consumed), consumed, reply, out),
              Outcome::kReply)
        << cut;
    EXPECT_EQ(reply.kind, kind);
    EXPECT_EQ(reply.text, text);
    EXPECT_EQ(consumed, stream.size());
  }
}

// Goal: requests are what Redis expects, byte for byte.
TEST(BenchCodecTest, RespRequests) {
  const BenchWorkload workload(Options(BenchProtocol::kResp, 20));
  const auto codec = MakeBenchCodec(workload);
  std::string out;
  codec->Set(42, out);
  codec->Get(42, out);
  codec->Wait(1, out);
  EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$20\r\n" + ValueOf(workload, 42) +
                     "\r\n*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n"
                     "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n1000\r\n");
}

// Goal: every kind of answer is read the same however the stream is cut.
TEST(BenchCodecTest, RespAnswers) {
  const BenchWorkload workload(Options(BenchProtocol::kResp, 5));
  ExpectOneReply(workload, "+OK\r\n", Kind::kStored, "OK");
  ExpectOneReply(workload, "$5\r\nab\r\nc\r\n", Kind::kValue, "ab\r\nc");
  ExpectOneReply(workload, "$0\r\n\r\n", Kind::kValue, "");
  ExpectOneReply(workload, "$-1\r\n", Kind::kMissing, "");
  ExpectOneReply(workload, "_\r\n", Kind::kMissing, "");
  ExpectOneReply(workload, ":2\r\n", Kind::kCount, "");
  ExpectOneReply(workload, "-UNAVAILABLE too few nodes\r\n", Kind::kError,
                 "UNAVAILABLE too few nodes");
}

TEST(BenchCodecTest, MemcachedAnswers) {
  const BenchWorkload workload(Options(BenchProtocol::kMemcached, 5));
  ExpectOneReply(workload, "STORED\r\n", Kind::kStored, "");
  ExpectOneReply(workload, "VALUE key:000000000007 0 5\r\nab\r\nc\r\nEND\r\n", Kind::kValue,
                 "ab\r\nc");
  ExpectOneReply(workload, "END\r\n", Kind::kMissing, "");
  ExpectOneReply(workload, "SERVER_ERROR out of memory\r\n", Kind::kError,
                 "SERVER_ERROR out of memory");
}

std::string Frame(char type, char flags, const std::string& payload) {
  std::string out{'\0', '\0', static_cast<char>(payload.size()), type, flags, 0, 0, 0, 1};
  return out + payload;
}

// Goal: HTTP/2's own frames are answered, and a stream's end makes the answer.
TEST(BenchCodecTest, EtcdAnswers) {
  const BenchWorkload workload(Options(BenchProtocol::kEtcd, 3));
  const std::string settings = Frame(4, 0, ""), ping = Frame(6, 0, "12345678");
  const std::string headers = Frame(1, 4, "\x88"), trailers = Frame(1, 5, "x");
  // RangeResponse{header{revision: 1}, kvs{key: "k", value: "abc"}, count: 1}
  const std::string pair = std::string("\x0a\x01k", 3) + std::string(
                                                             "\x2a\x03"
                                                             "abc",
                                                             5);
  std::string message = std::string("\x0a\x02\x18\x01", 4) + "\x12" +
                        static_cast<char>(pair.size()) + pair + std::string("\x20\x01", 2);
  const std::string data =
      Frame(0, 0, std::string(4, '\0') + static_cast<char>(message.size()) + message);
  ExpectOneReply(workload, settings + ping + headers + data + trailers, Kind::kValue, "abc");

  const std::string none = Frame(0, 0, std::string(4, '\0') + '\x04' + message.substr(0, 4));
  ExpectOneReply(workload, headers + none + trailers, Kind::kMissing, "");
  // An error is a stream without a message.
  ExpectOneReply(workload, trailers, Kind::kError, "GRPC no message in the answer");

  const auto codec = MakeBenchCodec(workload);
  std::string out;
  BenchReply reply;
  std::size_t consumed = 0;
  EXPECT_EQ(codec->Parse(settings + ping, consumed, reply, out), Outcome::kNeedMore);
  EXPECT_EQ(consumed, settings.size() + ping.size());
  std::string acknowledged = Frame(4, 1, "") + Frame(6, 1, "12345678");
  acknowledged[8] = acknowledged[17] = '\0';  // of the connection, not of a stream
  EXPECT_EQ(out, acknowledged);
}

// Goal: bytes of another protocol end the connection instead of being counted as answers.
TEST(BenchCodecTest, GarbageIsRefused) {
  const BenchWorkload workload(Options(BenchProtocol::kResp, 5));
  const auto codec = MakeBenchCodec(workload);
  for (const char* garbage : {"HTTP/1.1 200 OK\r\n", "\r\n", "$-7\r\n", "$x\r\n", ":\r\n"}) {
    std::string out;
    BenchReply reply;
    std::size_t consumed = 0;
    EXPECT_EQ(codec->Parse(garbage, consumed, reply, out), Outcome::kBroken) << garbage;
  }
}

// Goal: another key's value, a short one and a changed one are told from the right one.
TEST(BenchWorkloadTest, ValuesNameTheirKey) {
  for (const std::size_t bytes : {16u, 17u, 100u}) {
    const BenchWorkload workload(Options(BenchProtocol::kResp, bytes));
    const std::string value = ValueOf(workload, 123);
    EXPECT_EQ(value.size(), bytes);
    EXPECT_TRUE(workload.IsValueOf(123, value));
    EXPECT_FALSE(workload.IsValueOf(124, value));
    EXPECT_FALSE(workload.IsValueOf(123, value.substr(1)));
  }
  // Another run, with another seed, wrote the same.
  BenchOptions other = Options(BenchProtocol::kResp, 100);
  other.seed = 99;
  EXPECT_TRUE(BenchWorkload(Options(BenchProtocol::kResp, 100))
                  .IsValueOf(123, ValueOf(BenchWorkload(other), 123)));
  const BenchWorkload small(Options(BenchProtocol::kResp, 3));
  EXPECT_TRUE(small.IsValueOf(1, ValueOf(small, 1)));
  EXPECT_FALSE(small.IsValueOf(1, "xyz?"));
}

}  // namespace
}  // namespace gyre
