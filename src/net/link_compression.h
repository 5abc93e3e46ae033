// The bytes of one link in LZ4, a stream for each direction (docs/wire-format.md, "Compression").
//
// What is sent in one piece leaves in one piece: nothing waits for more to come. What was sent
// before is known to both sides, so that small messages which are alike are compressed too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "net/grow_buffer.h"
#include "net/output_buffer.h"

struct LZ4F_cctx_s;
struct LZ4F_dctx_s;

namespace gyre {

class LinkCompressor {
 public:
  LinkCompressor();
  ~LinkCompressor();

  void Append(std::string_view bytes, OutputBuffer& out);

  // Since the last call.
  struct Counts {
    std::uint64_t bytes_before = 0, bytes_after = 0;
  };
  Counts TakeCounts() { return std::exchange(counts_, {}); }

 private:
  std::unique_ptr<LZ4F_cctx_s, void (*)(LZ4F_cctx_s*)> context_;
  std::string compressed_;       // room for the stream's head and one piece
  std::size_t begun_bytes_ = 0;  // of the head, in compressed_: not sent yet
  Counts counts_;
};

class LinkExpander {
 public:
  // Of what one step adds.
  static constexpr std::size_t kStepBytes = 64 * 1024;
  // The first bytes of a compressed stream; no frame begins with them, as none may be as long.
  static constexpr std::string_view kMagic{"\x04\x22\x4d\x18", 4};

  LinkExpander();
  ~LinkExpander();

  // Appends at most kStepBytes to `plain`; returns how many of `wire`'s bytes that took.
  // Errors: kCorruption: nothing that follows can be read.
  Result<std::size_t> Step(std::string_view wire, GrowBuffer& plain);

 private:
  std::unique_ptr<LZ4F_dctx_s, void (*)(LZ4F_dctx_s*)> context_;
};

}  // namespace gyre
