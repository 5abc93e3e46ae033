// Any bytes, once whole and once cut into pieces, must give the same commands and the same end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/resp_parser.h"

namespace {

using gyre::RespParser;

gyre::RespLimits Limits() {
  gyre::RespLimits limits;
  limits.args_max = 64;
  limits.bulk_bytes_max = 32;
  limits.bulk_bytes_hard_max = 128;
  limits.command_bytes_max = 256;
  limits.inline_bytes_max = 96;
  return limits;
}

// Everything that was understood, as text.
std::string Read(std::string_view input, std::size_t piece, bool authenticated) {
  RespParser parser(Limits(), authenticated);
  std::string seen;
  std::string buffer;
  while (true) {
    const std::size_t more = std::min(piece, input.size());
    buffer.append(input.substr(0, more));
    input.remove_prefix(more);
    while (true) {
      // In a block of its own size, so that reading past the end is found.
      const std::string copy(buffer);
      std::size_t taken = 0;
      const RespParser::Status status = parser.Next(copy, &taken);
      if (taken > copy.size()) std::abort();
      if (status == RespParser::Status::kNeedMore) {
        buffer.erase(0, taken);
        break;
      }
      seen += static_cast<char>('0' + static_cast<int>(status));
      if (status == RespParser::Status::kAttack) return seen;
      if (status != RespParser::Status::kCommand) seen += parser.error();
      if (status == RespParser::Status::kError) return seen;
      if (status == RespParser::Status::kCommand) {
        const gyre::RespArgs args = parser.args();
        if (args.size() == 0) std::abort();
        for (std::size_t i = 0; i < args.size(); ++i) {
          seen += std::to_string(args[i].size()) + ":";
          seen += args[i];
        }
      }
      buffer.erase(0, taken);
    }
    if (parser.held_bytes() > 16 * 1024) std::abort();
    if (input.empty()) return seen;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const bool authenticated = (data[0] & 0x80) == 0;
  const std::size_t piece = 1 + (data[0] & 0x0F);
  if (Read(input, input.size() + 1, authenticated) != Read(input, piece, authenticated)) {
    std::abort();
  }
  return 0;
}
