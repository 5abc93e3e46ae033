// How a key becomes a token, chosen once per cluster: changing it would move every key.
// Paper 4.2 and 4.3: MD5. XXH3-128 is the cheaper one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "core/key.h"

namespace gyre {

enum class PartitionerKind : std::uint8_t { kMd5 = 1, kXxh3 = 2 };

inline Token TokenOf(PartitionerKind kind, std::string_view key) {
  return kind == PartitionerKind::kMd5 ? Md5(key) : Xxh3_128(key);
}
// The same for each of `keys`, together.
void TokensOf(PartitionerKind kind, std::span<const std::string_view> keys, Token* tokens);
// "md5" or "xxh3".
constexpr std::string_view PartitionerName(PartitionerKind kind) {
  return kind == PartitionerKind::kMd5 ? "md5" : "xxh3";
}
// Errors: kInvalidArgument.
Result<PartitionerKind> ParsePartitioner(std::string_view name);

}  // namespace gyre
