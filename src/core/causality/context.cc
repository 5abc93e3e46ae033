// The text form of a version vector, declared in version_vector.h.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "core/causality/version_vector.h"
#include "core/config.h"

namespace gyre {
namespace {

constexpr std::uint8_t kContextVersion = 1;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> MakeDigits() {
  std::array<std::int8_t, 256> digits{};
  for (auto& digit : digits) digit = -1;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return digits;
}
constexpr std::array<std::int8_t, 256> kDigits = MakeDigits();

std::string ToBase64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t window = 0;
  int bits = 0;
  for (const char byte : bytes) {
    window = window << 8 | static_cast<unsigned char>(byte);
    for (bits += 8; bits >= 6;) text += kAlphabet[window >> (bits -= 6) & 63];
  }
  if (bits > 0) text += kAlphabet[window << (6 - bits) & 63];
  return text;
}

// False unless `text` is what ToBase64 makes of some bytes: no other letters, no bits left over.
bool FromBase64(std::string_view text, std::string& bytes) {
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t window = 0;
  int bits = 0;
  for (const char letter : text) {
    const std::int8_t digit = kDigits[static_cast<unsigned char>(letter)];
    if (digit < 0) return false;
    window = window << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) bytes += static_cast<char>(window >> (bits -= 8));
  }
  return bits < 6 && (window & ((1u << bits) - 1)) == 0;
}

tl::unexpected<Error> Mangled() {
  return Fail(
      ErrorCode::kInvalidArgument,
      "the context is damaged: pass back exactly what a read or write of this key returned");
}

}  // namespace

std::string EncodeContext(const VersionVector& seen) {
  if (seen.empty()) return {};
  std::string bytes(1 + seen.EncodedBytes() + 4, '\0');
  Writer out(bytes.data());
  out.U8(kContextVersion);
  seen.Encode(out);
  out.U32(Crc32c(std::string_view(bytes).substr(0, bytes.size() - 4)));
  return ToBase64(bytes);
}

Result<VersionVector> DecodeContext(std::string_view text) {
  if (text.empty()) return VersionVector();
  if (text.size() > kContextBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "the context is longer than any that is given out");
  }
  std::string bytes;
  if (!FromBase64(text, bytes) || bytes.size() < 1 + 1 + 4) return Mangled();
  const std::string_view guarded = std::string_view(bytes).substr(0, bytes.size() - 4);
  Reader crc(std::string_view(bytes).substr(guarded.size()));
  if (crc.U32() != Crc32c(guarded)) return Mangled();
  Reader in(guarded);
  if (in.U8() != kContextVersion) {
    return Fail(ErrorCode::kInvalidArgument,
                "the context is of a format that this version does not know");
  }
  VersionVector seen = VersionVector::Decode(in);
  if (!in.done() || seen.empty()) return Mangled();
  return seen;
}

}  // namespace gyre
