#include "storage/key_layout.h"

#include <cstdint>

namespace gyre {

void PutBigEndian(std::uint64_t value, int bytes, char* out) {
  for (int i = 0; i < bytes; ++i) {
    out[i] = static_cast<char>(value >> (8 * (bytes - 1 - i)));
  }
}

std::uint64_t GetBigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

RowKeyPrefix EncodeRowKeyPrefix(NodeId owed_to, KeyspaceId keyspace, Token token) {
  RowKeyPrefix prefix;
  char* out = prefix.bytes_.data();
  if (owed_to.value != 0) {
    PutBigEndian(owed_to.value, kTargetBytes, out);
    out += kTargetBytes;
  }
  PutBigEndian(keyspace.value, 4, out);
  PutBigEndian(token.high, 8, out + 4);
  PutBigEndian(token.low, 8, out + 12);
  prefix.size_ = owed_to.value != 0 ? kHintKeyPrefixBytes : kRowKeyPrefixBytes;
  return prefix;
}

void AppendRowKey(const RowKey& key, std::string& out) {
  out.append(EncodeRowKeyPrefix(key).view());
  out.append(key.key.view());
}

Result<RowKey> DecodeRowKey(std::string_view bytes) {
  if (bytes.size() < kRowKeyPrefixBytes) {
    return Fail(ErrorCode::kCorruption, "a stored key is shorter than its prefix");
  }
  RowKey key;
  key.keyspace = KeyspaceId(static_cast<std::uint32_t>(GetBigEndian(bytes.substr(0, 4))));
  key.token.high = GetBigEndian(bytes.substr(4, 8));
  key.token.low = GetBigEndian(bytes.substr(12, 8));
  key.key = Bytes(bytes.substr(kRowKeyPrefixBytes));
  return key;
}

Result<RowKey> DecodeHintKey(std::string_view bytes) {
  if (bytes.size() < kHintKeyPrefixBytes) {
    return Fail(ErrorCode::kCorruption, "a stored hint's key is shorter than its prefix");
  }
  Result<RowKey> key = DecodeRowKey(bytes.substr(kTargetBytes));
  if (!key) return key;
  key->owed_to = NodeId(static_cast<std::uint32_t>(GetBigEndian(bytes.substr(0, kTargetBytes))));
  if (!key->is_hint()) return Fail(ErrorCode::kCorruption, "a stored hint is owed to no one");
  return key;
}

std::optional<RowKeyPrefix> PrefixSuccessor(RowKeyPrefix prefix) {
  for (std::size_t i = prefix.size_; i-- > 0;) {
    prefix.bytes_[i] = static_cast<char>(static_cast<unsigned char>(prefix.bytes_[i]) + 1);
    if (prefix.bytes_[i] != 0) return prefix;
  }
  return std::nullopt;
}

}  // namespace gyre
