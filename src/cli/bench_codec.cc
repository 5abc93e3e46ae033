#include "cli/bench_codec.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace gyre {
namespace {

// The line at the front of `in` without its CRLF; npos-sized `next` if it is not whole yet.
struct Line {
  std::string_view text;
  std::size_t next = std::string_view::npos;
};
Line FirstLine(std::string_view in) {
  const std::size_t end = in.find('\n');
  if (end == std::string_view::npos) return {};
  return {in.substr(0, end > 0 && in[end - 1] == '\r' ? end - 1 : end), end + 1};
}

bool ParseNumber(std::string_view text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

class RespCodec : public BenchCodec {
 public:
  explicit RespCodec(const BenchWorkload& workload)
      : workload_(workload),
        set_value_head_("\r\n$" + std::to_string(workload.options().value_bytes) + "\r\n") {}

  void Get(std::uint64_t key, std::string& out) override {
    out.append("*2\r\n$3\r\nGET\r\n$16\r\n");
    BenchWorkload::AppendKey(key, out);
    out.append("\r\n");
  }
  void Set(std::uint64_t key, std::string& out) override {
    out.append("*3\r\n$3\r\nSET\r\n$16\r\n");
    BenchWorkload::AppendKey(key, out);
    out.append(set_value_head_);
    workload_.AppendValue(key, out);
    out.append("\r\n");
  }
  void Wait(int replicas, std::string& out) override {
    const std::string count = std::to_string(replicas);
    out.append("*3\r\n$4\r\nWAIT\r\n$").append(std::to_string(count.size())).append("\r\n");
    out.append(count).append("\r\n$4\r\n1000\r\n");
  }

  Outcome Parse(std::string_view in, std::size_t& consumed, BenchReply& reply,
                std::string&) override {
    const Line line = FirstLine(in);
    if (line.next == std::string_view::npos) return Outcome::kNeedMore;
    if (line.text.empty()) return Outcome::kBroken;
    const std::string_view rest = line.text.substr(1);
    switch (line.text[0]) {
      case '+':
        reply = {BenchReply::Kind::kStored, rest, 0};
        break;
      case '-':
        reply = {BenchReply::Kind::kError, rest, 0};
        break;
      case '_':
        reply = {BenchReply::Kind::kMissing, {}, 0};
        break;
      case ':': {
        std::int64_t count = 0;
        if (!ParseNumber(rest, count)) return Outcome::kBroken;
        reply = {BenchReply::Kind::kCount, {}, count};
        break;
      }
      case '$': {
        std::int64_t size = 0;
        if (!ParseNumber(rest, size) || size < -1) return Outcome::kBroken;
        if (size == -1) {
          reply = {BenchReply::Kind::kMissing, {}, 0};
          break;
        }
        const auto bytes = static_cast<std::size_t>(size);
        if (in.size() - line.next < bytes + 2) return Outcome::kNeedMore;
        reply = {BenchReply::Kind::kValue, in.substr(line.next, bytes), 0};
        consumed += line.next + bytes + 2;
        return Outcome::kReply;
      }
      default:
        return Outcome::kBroken;
    }
    consumed += line.next;
    return Outcome::kReply;
  }

 private:
  const BenchWorkload& workload_;
  const std::string set_value_head_;
};

class MemcachedCodec : public BenchCodec {
 public:
  explicit MemcachedCodec(const BenchWorkload& workload)
      : workload_(workload),
        set_tail_(" 0 0 " + std::to_string(workload.options().value_bytes) + "\r\n") {}

  void Get(std::uint64_t key, std::string& out) override {
    out.append("get ");
    BenchWorkload::AppendKey(key, out);
    out.append("\r\n");
  }
  void Set(std::uint64_t key, std::string& out) override {
    out.append("set ");
    BenchWorkload::AppendKey(key, out);
    out.append(set_tail_);
    workload_.AppendValue(key, out);
    out.append("\r\n");
  }

  Outcome Parse(std::string_view in, std::size_t& consumed, BenchReply& reply,
                std::string&) override {
    const Line line = FirstLine(in);
    if (line.next == std::string_view::npos) return Outcome::kNeedMore;
    if (line.text.starts_with("VALUE ")) {
      std::int64_t size = 0;
      if (!ParseNumber(line.text.substr(line.text.rfind(' ') + 1), size) || size < 0) {
        return Outcome::kBroken;
      }
      constexpr std::string_view kEnd = "\r\nEND\r\n";
      const auto bytes = static_cast<std::size_t>(size);
      if (in.size() - line.next < bytes + kEnd.size()) return Outcome::kNeedMore;
      if (in.substr(line.next + bytes, kEnd.size()) != kEnd) return Outcome::kBroken;
      reply = {BenchReply::Kind::kValue, in.substr(line.next, bytes), 0};
      consumed += line.next + bytes + kEnd.size();
      return Outcome::kReply;
    }
    if (line.text == "STORED") {
      reply = {BenchReply::Kind::kStored, {}, 0};
    } else if (line.text == "END") {
      reply = {BenchReply::Kind::kMissing, {}, 0};
    } else {
      reply = {BenchReply::Kind::kError, line.text, 0};
    }
    consumed += line.next;
    return Outcome::kReply;
  }

 private:
  const BenchWorkload& workload_;
  const std::string set_tail_;
};

}  // namespace

void BenchCodec::Wait(int, std::string&) { GYRE_CHECK(false && "only RESP has WAIT"); }

std::unique_ptr<BenchCodec> MakeBenchCodec(const BenchWorkload& workload) {
  switch (workload.options().protocol) {
    case BenchProtocol::kResp:
      return std::make_unique<RespCodec>(workload);
    case BenchProtocol::kMemcached:
      return std::make_unique<MemcachedCodec>(workload);
    case BenchProtocol::kEtcd:
      return MakeEtcdCodec(workload);
  }
  return nullptr;
}

}  // namespace gyre
