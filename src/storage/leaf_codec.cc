#include "storage/leaf_codec.h"

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "storage/key_layout.h"

namespace gyre {
namespace {

constexpr std::uint8_t kEntryFormat = 1;
constexpr std::uint8_t kSparseFormat = 1;
constexpr std::uint8_t kFullFormat = 2;

constexpr std::size_t kGuardBytes = 4;
constexpr std::size_t kDeltaBytes = 4 + 4 + 8;
constexpr std::size_t kBlockHeadBytes = 1 + 8;
constexpr std::size_t kSparseSumBytes = 2 + 8;
constexpr std::size_t kFullBlockBytes = kBlockHeadBytes + sizeof(LeafBlockSums) + kGuardBytes;

std::size_t SparseBlockBytes(std::uint32_t nonzero) {
  return kBlockHeadBytes + nonzero * kSparseSumBytes + kGuardBytes;
}
bool IsSparse(std::uint32_t nonzero) { return SparseBlockBytes(nonzero) < kFullBlockBytes; }

void Seal(std::string_view key, std::string& bytes) {
  const std::size_t body = bytes.size() - kGuardBytes;
  const std::uint32_t crc = Crc32c(std::string_view(bytes).substr(0, body), Crc32c(key));
  Writer(bytes.data() + body).U32(crc);
}

// What is under the guard. Errors: kCorruption.
Result<std::string_view> Unseal(std::string_view key, std::string_view bytes) {
  if (bytes.size() < kGuardBytes) {
    return Fail(ErrorCode::kCorruption, "stored leaf sums are too short");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kGuardBytes);
  if (Crc32c(body, Crc32c(key)) != Reader(bytes.substr(body.size())).U32()) {
    return Fail(ErrorCode::kCorruption, "stored leaf sums do not match their checksum");
  }
  return body;
}

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kCorruption, std::string("stored leaf sums are malformed: ") + what);
}

}  // namespace

std::string EncodeLeafBlockKey(LeafBlockId id) {
  std::string key(kLeafKeyBytes, kLeafBlockKind);
  PutBigEndian(id.keyspace.value, 4, key.data() + 1);
  PutBigEndian(id.number, 4, key.data() + 5);
  return key;
}

std::string EncodeLeafEntryKey(std::uint64_t sequence) {
  std::string key(kLeafKeyBytes, kLeafEntryKind);
  PutBigEndian(sequence, 8, key.data() + 1);
  return key;
}

Result<LeafBlockId> DecodeLeafBlockKey(std::string_view key) {
  if (key.size() != kLeafKeyBytes || key[0] != kLeafBlockKind) {
    return Malformed("the key of a block");
  }
  return LeafBlockId{KeyspaceId(static_cast<std::uint32_t>(GetBigEndian(key.substr(1, 4)))),
                     static_cast<std::uint32_t>(GetBigEndian(key.substr(5, 4)))};
}

Result<std::uint64_t> DecodeLeafEntryKey(std::string_view key) {
  if (key.size() != kLeafKeyBytes || key[0] != kLeafEntryKind) {
    return Malformed("the key of a log entry");
  }
  return GetBigEndian(key.substr(1));
}

void EncodeLeafEntry(std::string_view key, std::span<const LeafDelta> deltas, std::string& out) {
  out.resize(1 + deltas.size() * kDeltaBytes + kGuardBytes);
  Writer writer(out.data());
  writer.U8(kEntryFormat);
  for (const LeafDelta& each : deltas) {
    writer.U32(each.keyspace.value);
    writer.U32(each.leaf);
    writer.U64(each.delta);
  }
  Seal(key, out);
}

Result<std::vector<LeafDelta>> DecodeLeafEntry(std::string_view key, std::string_view bytes) {
  const Result<std::string_view> body = Unseal(key, bytes);
  if (!body) return Fail(body.error());
  Reader in(*body);
  if (in.U8() != kEntryFormat || in.remaining() == 0 || in.remaining() % kDeltaBytes != 0) {
    return Malformed("a log entry");
  }
  std::vector<LeafDelta> deltas(in.remaining() / kDeltaBytes);
  for (LeafDelta& each : deltas) {
    each.keyspace = KeyspaceId(in.U32());
    each.leaf = in.U32();
    each.delta = in.U64();
  }
  return deltas;
}

std::size_t LeafBlockBytes(std::uint32_t nonzero) {
  return IsSparse(nonzero) ? SparseBlockBytes(nonzero) : kFullBlockBytes;
}

void EncodeLeafBlock(std::string_view key, std::uint64_t upto, const LeafBlockSums& sums,
                     std::uint32_t nonzero, std::string& out) {
  out.resize(LeafBlockBytes(nonzero));
  Writer writer(out.data());
  writer.U8(IsSparse(nonzero) ? kSparseFormat : kFullFormat);
  writer.U64(upto);
  if (IsSparse(nonzero)) {
    std::uint32_t left = nonzero;
    for (std::uint32_t leaf = 0; left > 0; ++leaf) {
      GYRE_CHECK(leaf < kLeavesPerBlock);
      if (sums[leaf] == 0) continue;
      writer.U16(static_cast<std::uint16_t>(leaf));
      writer.U64(sums[leaf]);
      --left;
    }
  } else {
    writer.Raw({reinterpret_cast<const char*>(sums.data()), sizeof sums});
  }
  Seal(key, out);
}

Result<LeafBlock> DecodeLeafBlock(std::string_view key, std::string_view bytes) {
  const Result<std::string_view> body = Unseal(key, bytes);
  if (!body) return Fail(body.error());
  Reader in(*body);
  LeafBlock block;
  const std::uint8_t format = in.U8();
  block.upto = in.U64();
  if (format == kFullFormat) {
    for (std::uint64_t& sum : block.sums) sum = in.U64();
    if (!in.done()) return Malformed("a full block");
  } else if (format == kSparseFormat) {
    std::uint32_t next = 0;
    while (in.ok() && in.remaining() > 0) {
      const std::uint32_t leaf = in.U16();
      const std::uint64_t sum = in.U64();
      if (!in.ok() || leaf < next || leaf >= kLeavesPerBlock || sum == 0) {
        return Malformed("a sparse block");
      }
      block.sums[leaf] = sum;
      next = leaf + 1;
    }
    if (!in.ok()) return Malformed("a sparse block");
  } else {
    return Malformed("a block of an unknown form");
  }
  return block;
}

}  // namespace gyre
