// The client side of the protocols that the load generator speaks: writes requests, reads answers.
// Only what a GET and a SET need. One codec per connection; pure, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cli/bench_workload.h"

namespace gyre {

struct BenchReply {
  enum class Kind : std::uint8_t {
    kStored,   // a write is done
    kValue,    // `text` is the value; valid until the input buffer changes
    kMissing,  // no such key
    kCount,    // WAIT's answer, in `count`
    kError,    // `text` is the server's sentence
  };
  Kind kind = Kind::kError;
  std::string_view text;
  std::int64_t count = 0;
};

class BenchCodec {
 public:
  enum class Outcome : std::uint8_t { kReply, kNeedMore, kBroken };

  virtual ~BenchCodec() = default;

  // What a fresh connection sends first.
  virtual void Hello(std::string&) {}
  virtual void Get(std::uint64_t key, std::string& out) = 0;
  virtual void Set(std::uint64_t key, std::string& out) = 0;
  // RESP only. REQUIRES: the options ask for it.
  virtual void Wait(int replicas, std::string& out);
  // Takes the next answer off the front of `in`. Answers come in the order of the requests.
  // `consumed` grows by what was used (also with kNeedMore); `out` gets what the protocol itself
  // has to answer. kBroken: the bytes are not this protocol's, or the server gave up.
  virtual Outcome Parse(std::string_view in, std::size_t& consumed, BenchReply& reply,
                        std::string& out) = 0;
};

// `workload` must outlive the codec. REQUIRES: pipeline 1 for etcd.
std::unique_ptr<BenchCodec> MakeBenchCodec(const BenchWorkload& workload);

// In bench_codec_etcd.cc: etcd's gRPC API (v3 KV.Put, KV.Range) over plain HTTP/2.
std::unique_ptr<BenchCodec> MakeEtcdCodec(const BenchWorkload& workload);

}  // namespace gyre
