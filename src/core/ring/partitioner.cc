#include "core/ring/partitioner.h"

#include <string>

namespace gyre {

void TokensOf(PartitionerKind kind, std::span<const std::string_view> keys, Token* tokens) {
  if (kind == PartitionerKind::kMd5) return Md5OfMany(keys, tokens);
  for (std::size_t i = 0; i < keys.size(); ++i) tokens[i] = TokenOf(kind, keys[i]);
}

Result<PartitionerKind> ParsePartitioner(std::string_view name) {
  for (const PartitionerKind kind : {PartitionerKind::kMd5, PartitionerKind::kXxh3}) {
    if (name == PartitionerName(kind)) return kind;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "unknown partitioner '" + std::string(name.substr(0, 64)) + "'; use md5 or xxh3");
}

}  // namespace gyre
