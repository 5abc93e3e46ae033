// How keys lie in RocksDB (docs/disk-format.md, "Storage layout"): keyspace u32, token 16 bytes,
// both big endian, then the key. Bytewise order is RowKey's order, so a partition of a keyspace is
// one range.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/key.h"

namespace gyre {

inline constexpr std::size_t kKeyspaceBytes = 4;
inline constexpr std::size_t kRowKeyPrefixBytes = kKeyspaceBytes + 16;
using RowKeyPrefix = std::array<char, kRowKeyPrefixBytes>;

RowKeyPrefix EncodeRowKeyPrefix(KeyspaceId keyspace, Token token);
void AppendRowKey(const RowKey& key, std::string& out);
// Errors: kCorruption if shorter than the prefix.
Result<RowKey> DecodeRowKey(std::string_view bytes);
// The least key that is greater than every key with this prefix; nullopt: there is none.
std::optional<RowKeyPrefix> PrefixSuccessor(RowKeyPrefix prefix);

}  // namespace gyre
