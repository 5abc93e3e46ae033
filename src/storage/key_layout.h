// How keys lie in RocksDB (docs/disk-format.md, "Storage layout"): keyspace u32, token 16 bytes,
// both big endian, then the key; before all of it, for a hint, the node that it is owed to, u32 big
// endian. Bytewise order is RowKey's order, so a partition of a keyspace is one range, and so are
// the hints of a target.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/key.h"

namespace gyre {

inline constexpr std::size_t kTargetBytes = 4;
inline constexpr std::size_t kKeyspaceBytes = 4;
inline constexpr std::size_t kRowKeyPrefixBytes = kKeyspaceBytes + 16;
inline constexpr std::size_t kHintKeyPrefixBytes = kTargetBytes + kRowKeyPrefixBytes;

// What stands before the key: shorter for a row of this node's own than for a hint.
class RowKeyPrefix {
 public:
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  friend RowKeyPrefix EncodeRowKeyPrefix(NodeId owed_to, KeyspaceId keyspace, Token token);
  friend std::optional<RowKeyPrefix> PrefixSuccessor(RowKeyPrefix prefix);

  std::array<char, kHintKeyPrefixBytes> bytes_;
  std::size_t size_;
};

// `owed_to` 0: of a row of this node's own.
RowKeyPrefix EncodeRowKeyPrefix(NodeId owed_to, KeyspaceId keyspace, Token token);
inline RowKeyPrefix EncodeRowKeyPrefix(const RowKey& key) {
  return EncodeRowKeyPrefix(key.owed_to, key.keyspace, key.token);
}
void AppendRowKey(const RowKey& key, std::string& out);
// Errors: kCorruption if shorter than the prefix.
Result<RowKey> DecodeRowKey(std::string_view bytes);
// Errors: kCorruption if shorter than the prefix, or owed to no one.
Result<RowKey> DecodeHintKey(std::string_view bytes);
// The least key that is greater than every key with this prefix; nullopt: there is none.
std::optional<RowKeyPrefix> PrefixSuccessor(RowKeyPrefix prefix);

// The order of bytes is that of numbers.
void PutBigEndian(std::uint64_t value, int bytes, char* out);
std::uint64_t GetBigEndian(std::string_view bytes);

}  // namespace gyre
