#include "storage/key_layout.h"

#include <cstdint>

namespace gyre {
namespace {

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

}  // namespace

RowKeyPrefix EncodeRowKeyPrefix(KeyspaceId keyspace, Token token) {
  RowKeyPrefix prefix;
  PutBigEndian(keyspace.value, 4, prefix.data());
  PutBigEndian(token.high, 8, prefix.data() + 4);
  PutBigEndian(token.low, 8, prefix.data() + 12);
  return prefix;
}

void AppendRowKey(const RowKey& key, std::string& out) {
  const RowKeyPrefix prefix = EncodeRowKeyPrefix(key.keyspace, key.token);
  out.append(prefix.data(), prefix.size());
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

std::optional<RowKeyPrefix> PrefixSuccessor(RowKeyPrefix prefix) {
  for (std::size_t i = prefix.size(); i-- > 0;) {
    prefix[i] = static_cast<char>(static_cast<unsigned char>(prefix[i]) + 1);
    if (prefix[i] != 0) return prefix;
  }
  return std::nullopt;
}

}  // namespace gyre
