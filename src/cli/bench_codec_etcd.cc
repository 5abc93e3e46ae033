// etcd v3 as its own clients speak it: gRPC over HTTP/2 without TLS. The JSON gateway would be
// simpler, but it makes etcd answer every request twice, which would flatter us. What is here is
// the least that is correct for one request at a time on a connection: request headers are literals
// (HPACK without a table), and the answer's headers are not decoded: a success is a stream that
// carries a message, an error one that ends without.
#include <cstring>

#include "cli/bench_codec.h"

namespace gyre {
namespace {

enum FrameType : unsigned char {
  kData = 0,
  kHeaders = 1,
  kResetStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
};
constexpr unsigned char kFlagEndStream = 0x1;  // the same bit is ACK in SETTINGS and PING
constexpr unsigned char kFlagEndHeaders = 0x4;
constexpr std::size_t kFrameHeaderBytes = 9;
constexpr std::uint32_t kWindowBytes = 1u << 30;

void AppendBigEndian(std::uint32_t value, int bytes, std::string& out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}
std::uint32_t ReadBigEndian(std::string_view in, std::size_t at, int bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) {
    value = value << 8 | static_cast<unsigned char>(in[at + static_cast<std::size_t>(i)]);
  }
  return value;
}
void AppendFrame(FrameType type, unsigned char flags, std::uint32_t stream,
                 std::string_view payload, std::string& out) {
  AppendBigEndian(static_cast<std::uint32_t>(payload.size()), 3, out);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  AppendBigEndian(stream, 4, out);
  out.append(payload);
}

// HPACK "literal without indexing", name by index of the static table, or in full for index 0.
void AppendHeader(unsigned index, std::string_view name, std::string_view value, std::string& out) {
  if (index < 15) {
    out.push_back(static_cast<char>(index));
  } else {
    out.push_back(0x0f);
    out.push_back(static_cast<char>(index - 15));
  }
  if (index == 0) {
    out.push_back(static_cast<char>(name.size()));
    out.append(name);
  }
  out.push_back(static_cast<char>(value.size()));
  out.append(value);
}
std::string RequestHeaders(std::string_view path) {
  std::string out = "\x83\x86";  // :method POST, :scheme http
  AppendHeader(4, "", path, out);
  AppendHeader(1, "", "localhost", out);
  AppendHeader(31, "", "application/grpc", out);
  AppendHeader(0, "te", "trailers", out);
  return out;
}

void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
bool TakeVarint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}
// The first length-delimited field `number` of a protocol buffer. False if there is none.
bool FindField(std::string_view message, std::uint64_t number, std::string_view& field) {
  std::uint64_t tag = 0, size = 0;
  while (TakeVarint(message, tag)) {
    if (!TakeVarint(message, size)) return false;  // the only other wire type etcd uses: varint
    if ((tag & 7) != 2) continue;
    if (size > message.size()) return false;
    field = message.substr(0, size);
    if (tag >> 3 == number) return true;
    message.remove_prefix(size);
  }
  return false;
}

class EtcdCodec : public BenchCodec {
 public:
  explicit EtcdCodec(const BenchWorkload& workload)
      : workload_(workload),
        put_headers_(RequestHeaders("/etcdserverpb.KV/Put")),
        range_headers_(RequestHeaders("/etcdserverpb.KV/Range")) {}

  void Hello(std::string& out) override {
    out.append("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    std::string settings;
    AppendBigEndian(4, 2, settings);  // INITIAL_WINDOW_SIZE, so that a stream never waits for us
    AppendBigEndian(kWindowBytes, 4, settings);
    AppendFrame(kSettings, 0, 0, settings, out);
    Widen(kWindowBytes, out);
  }
  void Get(std::uint64_t key, std::string& out) override {
    is_get_ = true;
    message_.clear();
    AppendKeyField(key);
    Request(range_headers_, out);
  }
  void Set(std::uint64_t key, std::string& out) override {
    is_get_ = false;
    message_.clear();
    AppendKeyField(key);
    message_.push_back(0x12);  // field 2, length-delimited: value
    AppendVarint(workload_.options().value_bytes, message_);
    workload_.AppendValue(key, message_);
    Request(put_headers_, out);
  }

  Outcome Parse(std::string_view in, std::size_t& consumed, BenchReply& reply,
                std::string& out) override {
    while (in.size() >= kFrameHeaderBytes) {
      const std::size_t size = ReadBigEndian(in, 0, 3);
      if (in.size() - kFrameHeaderBytes < size) return Outcome::kNeedMore;
      const auto type = static_cast<unsigned char>(in[3]);
      const auto flags = static_cast<unsigned char>(in[4]);
      const std::string_view payload = in.substr(kFrameHeaderBytes, size);
      in.remove_prefix(kFrameHeaderBytes + size);
      consumed += kFrameHeaderBytes + size;
      switch (type) {
        case kSettings:
          if ((flags & kFlagEndStream) == 0) AppendFrame(kSettings, kFlagEndStream, 0, {}, out);
          continue;
        case kPing:
          if ((flags & kFlagEndStream) == 0) AppendFrame(kPing, kFlagEndStream, 0, payload, out);
          continue;
        case kGoAway:
          return Outcome::kBroken;
        case kData:
          answer_.append(payload);
          received_ += static_cast<std::uint32_t>(size);
          if (received_ > kWindowBytes / 2) Widen(received_, out);
          break;
        case kHeaders:
          break;
        case kResetStream:
          answer_.clear();
          break;
        default:
          continue;
      }
      if (type != kResetStream && (flags & kFlagEndStream) == 0) continue;
      Finish(reply);
      return Outcome::kReply;
    }
    return Outcome::kNeedMore;
  }

 private:
  void AppendKeyField(std::uint64_t key) {
    message_.push_back(0x0a);  // field 1, length-delimited: key
    AppendVarint(BenchWorkload::kKeyBytes, message_);
    BenchWorkload::AppendKey(key, message_);
  }
  void Request(const std::string& headers, std::string& out) {
    AppendFrame(kHeaders, kFlagEndHeaders, stream_, headers, out);
    grpc_.assign(1, '\0');  // not compressed
    AppendBigEndian(static_cast<std::uint32_t>(message_.size()), 4, grpc_);
    grpc_.append(message_);
    AppendFrame(kData, kFlagEndStream, stream_, grpc_, out);
    stream_ += 2;
  }
  void Widen(std::uint32_t bytes, std::string& out) {
    std::string increment;
    AppendBigEndian(bytes, 4, increment);
    AppendFrame(kWindowUpdate, 0, 0, increment, out);
    received_ = 0;
  }
  void Finish(BenchReply& reply) {
    finished_.swap(answer_);  // the reply's text stays valid until the next answer
    answer_.clear();
    constexpr std::size_t kGrpcHeaderBytes = 5;
    if (finished_.size() < kGrpcHeaderBytes) {
      reply = {BenchReply::Kind::kError, "GRPC no message in the answer", 0};
      return;
    }
    const std::string_view message = std::string_view(finished_).substr(kGrpcHeaderBytes);
    std::string_view pair, value;
    if (!is_get_) {
      reply = {BenchReply::Kind::kStored, {}, 0};
    } else if (FindField(message, 2, pair)) {  // RangeResponse.kvs
      FindField(pair, 5, value);               // KeyValue.value
      reply = {BenchReply::Kind::kValue, value, 0};
    } else {
      reply = {BenchReply::Kind::kMissing, {}, 0};
    }
  }

  const BenchWorkload& workload_;
  const std::string put_headers_, range_headers_;
  std::uint32_t stream_ = 1;
  std::uint32_t received_ = 0;  // bytes of answers since the connection's window was last widened
  bool is_get_ = false;
  std::string message_, grpc_;
  std::string answer_, finished_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeEtcdCodec(const BenchWorkload& workload) {
  return std::make_unique<EtcdCodec>(workload);
}

}  // namespace gyre
