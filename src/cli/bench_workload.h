// What a load run asks for: keys, values and their mix. Shared by every connection of the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"

namespace gyre {

enum class BenchProtocol : std::uint8_t { kResp, kMemcached, kEtcd };

struct BenchOptions {
  std::vector<std::string> servers{"127.0.0.1:7379"};  // host:port, used in turn
  BenchProtocol protocol = BenchProtocol::kResp;
  std::size_t connections = 50;
  std::size_t pipeline = 1;  // requests in flight on one connection
  std::size_t value_bytes = 100;
  std::uint64_t keys = 100'000;
  double get_ratio = 0.5;
  bool load = true;  // write every key once before anything is measured
  double warmup_seconds = 1;
  double duration_seconds = 5;
  double rate = 0;              // requests per second, open loop; 0: as fast as it goes
  int wait_replicas = 0;        // RESP: `WAIT n` behind writes, which count only once it answered
  bool wait_per_batch = false;  // one WAIT for a pipelined batch, not one for each SET
  double timeout_seconds = 5;   // for an answer; past it the connection is closed
  bool check_values = true;     // an answer that is not the key's value is an error
  std::uint64_t seed = 1;       // of keys and their order
};

// Keys are `key:` and 12 digits; a value is random bytes that begin with its key, so that an answer
// with another key's value is noticed.
class BenchWorkload {
 public:
  static constexpr std::size_t kKeyBytes = 16;

  explicit BenchWorkload(const BenchOptions& options)
      : options_(options), value_(options.value_bytes, '\0') {
    Prng prng(0);  // not the run's seed: what one run wrote, another may check
    for (char& byte : value_) byte = static_cast<char>('!' + prng.Below(90));
  }

  const BenchOptions& options() const { return options_; }

  static void AppendKey(std::uint64_t key, std::string& out) {
    char text[kKeyBytes];
    FormatKey(key, text);
    out.append(text, kKeyBytes);
  }
  void AppendValue(std::uint64_t key, std::string& out) const {
    const std::size_t at = out.size();
    out.append(value_);
    if (value_.size() >= kKeyBytes) FormatKey(key, out.data() + at);
  }
  bool IsValueOf(std::uint64_t key, std::string_view value) const {
    if (value.size() != value_.size()) return false;
    if (value.size() < kKeyBytes) return value == value_;
    char text[kKeyBytes];
    FormatKey(key, text);
    return std::memcmp(value.data(), text, kKeyBytes) == 0 && value.back() == ValueEnd(key);
  }

 private:
  char ValueEnd(std::uint64_t key) const {
    return value_.size() == kKeyBytes ? static_cast<char>('0' + key % 10) : value_.back();
  }
  static void FormatKey(std::uint64_t key, char* out) {
    std::memcpy(out, "key:", 4);
    for (std::size_t i = kKeyBytes; i-- > 4; key /= 10) out[i] = static_cast<char>('0' + key % 10);
  }

  const BenchOptions options_;
  std::string value_;
};

}  // namespace gyre
