#include "storage/table_mask.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "base/hash.h"

namespace gyre {
namespace {

// The end of a file: checksum type (1), two block handles (40), format (4), magic (8).
constexpr std::size_t kFooterBytes = 53;
constexpr std::uint64_t kMagic = 0x88e241b785f4cff7;
constexpr std::uint32_t kFormat = 5;          // BlockBasedTableOptions::format_version
constexpr std::uint8_t kChecksumXxh3 = 4;     // rocksdb::kXXH3
constexpr std::size_t kTrailerBytes = 1 + 4;  // compression, checksum
constexpr std::uint8_t kNotCompressed = 0;    // rocksdb::kNoCompression
constexpr std::uint8_t kLz4 = 4;              // rocksdb::kLZ4Compression
constexpr std::size_t kBlockBytesMax = 128 << 20;

// LZ4: a sequence is a token, literal bytes, and a match with bytes before it; the last one has
// literals only, twelve at least behind a match.
constexpr std::size_t kFirstLiterals = 4;
constexpr std::size_t kFirstSequenceBytes = 1 + kFirstLiterals + 2;
constexpr std::size_t kMatchMin = 4;
constexpr std::size_t kLastLiteralsMin = 12;
constexpr std::size_t kLengthInToken = 15;
constexpr std::size_t kSizeBytesMax = 5;

// Of a last sequence with so many literals, 15 or more of which make its length go on in bytes.
std::size_t LastSequenceBytes(std::size_t literals) {
  const std::size_t more = literals < kLengthInToken ? 0 : 1 + (literals - kLengthInToken) / 255;
  return 1 + more + literals;
}

// RocksDB's checksum of a block: over it, then the byte of its compression mixed in.
std::uint32_t ChecksumOf(std::string_view block, std::uint8_t compression) {
  constexpr std::uint32_t kMix = 0x6b9083d9;
  return static_cast<std::uint32_t>(Xxh3_64(block)) ^ compression * kMix;
}

rocksdb::Status CheckFooter(rocksdb::RandomRWFile& file, std::uint64_t file_bytes,
                            const DamagedBlock& block) {
  if (file_bytes < kFooterBytes || block.offset > file_bytes || block.size > file_bytes ||
      block.size + kTrailerBytes + kFooterBytes > file_bytes - block.offset) {
    return rocksdb::Status::Corruption("no such block in the table file");
  }
  char scratch[kFooterBytes];
  rocksdb::Slice footer;
  const rocksdb::Status read = file.Read(file_bytes - kFooterBytes, kFooterBytes, &footer, scratch);
  if (!read.ok()) return read;
  if (footer.size() != kFooterBytes) return rocksdb::Status::Corruption("a table file is short");
  Reader reader(std::string_view(footer.data(), footer.size()));
  const std::uint8_t checksum = reader.U8();
  Reader tail(std::string_view(footer.data(), footer.size()).substr(kFooterBytes - 12));
  const std::uint32_t format = tail.U32();
  if (tail.U64() != kMagic || format != kFormat || checksum != kChecksumXxh3) {
    return rocksdb::Status::NotSupported("a table file of another format");
  }
  return {};
}

// The size as RocksDB stores it before LZ4's bytes (a varint, which may be longer than it has to
// be), four zeros, a match of some more, so many that the whole is a multiple of four, and the rest
// in literals: zeros, and the number of restart points.
std::optional<std::string> PackedBlock(std::size_t size) {
  if (size > kBlockBytesMax) return std::nullopt;
  for (std::size_t size_bytes = 1; size_bytes <= kSizeBytesMax; ++size_bytes) {
    const std::size_t last = size - size_bytes - kFirstSequenceBytes;
    std::size_t literals = last - 1;
    while (LastSequenceBytes(literals) > last) --literals;
    const std::size_t match = kMatchMin + (4 - literals % 4) % 4;
    const std::size_t whole = kFirstLiterals + match + literals;
    if (LastSequenceBytes(literals) != last || literals < kLastLiteralsMin ||
        VarintBytes(whole) > size_bytes) {
      continue;
    }
    std::string bytes(size, '\0');
    char* at = bytes.data();
    for (std::size_t i = 0; i < size_bytes; ++i) {
      const bool more = i + 1 < size_bytes;
      *at++ = static_cast<char>((whole >> (7 * i) & 0x7F) | (more ? 0x80 : 0));
    }
    *at = static_cast<char>(kFirstLiterals << 4 | (match - kMatchMin));
    at += 1 + kFirstLiterals;
    *at++ = 1;  // the match begins one byte back, two bytes little endian
    *at++ = 0;
    *at++ = static_cast<char>(std::min(literals, kLengthInToken) << 4);
    if (literals >= kLengthInToken) {
      std::size_t rest = literals - kLengthInToken;
      for (; rest >= 255; rest -= 255) *at++ = static_cast<char>(255);
      *at++ = static_cast<char>(rest);
    }
    at += literals - 4;
    Writer(at).U32(static_cast<std::uint32_t>(whole / 4 - 1));
    return bytes;
  }
  return std::nullopt;
}

// One restart point, a bucket for each byte that is left, how many these are (2), and that there is
// a hash index and one restart point (4).
std::string HashedBlock(std::size_t size) {
  constexpr std::size_t kRestart = 4;
  constexpr std::size_t kTail = 2 + 4;
  constexpr char kCollision = static_cast<char>(254);
  constexpr std::uint32_t kHashIndex = 1u << 31;
  std::string bytes(size, kCollision);
  Writer(bytes.data()).U32(0);
  Writer tail(bytes.data() + size - kTail);
  tail.U16(static_cast<std::uint16_t>(size - kTail - kRestart));
  tail.U32(kHashIndex | 1);
  return bytes;
}

// All of it restart points, and how many these are.
std::string PlainBlock(std::size_t size) {
  std::string bytes(size, '\0');
  Writer(bytes.data() + size - 4).U32(static_cast<std::uint32_t>(size / 4 - 1));
  return bytes;
}

}  // namespace

std::optional<EmptyBlock> EmptyBlockOf(std::size_t size, bool may_be_lz4) {
  if (size < kEmptyBlockBytesMin || size > kBlockBytesMax) return std::nullopt;
  if (size <= kHashedBlockBytesMax) return EmptyBlock{HashedBlock(size)};
  if (size % 4 == 0) return EmptyBlock{PlainBlock(size)};
  if (!may_be_lz4) return std::nullopt;
  auto packed = PackedBlock(size);
  if (!packed) return std::nullopt;
  return EmptyBlock{*std::move(packed), /*lz4=*/true};
}

rocksdb::Status MaskBlock(rocksdb::Env& env, const std::string& path, const DamagedBlock& block,
                          bool may_be_lz4) {
  std::uint64_t file_bytes = 0;
  rocksdb::Status status = env.GetFileSize(path, &file_bytes);
  std::unique_ptr<rocksdb::RandomRWFile> file;
  if (status.ok()) status = env.NewRandomRWFile(path, &file, rocksdb::EnvOptions());
  if (status.ok()) status = CheckFooter(*file, file_bytes, block);
  if (!status.ok()) return status;
  auto empty = EmptyBlockOf(static_cast<std::size_t>(block.size), may_be_lz4);
  if (!empty) return rocksdb::Status::NotSupported("a block of a size that cannot be emptied");
  const std::uint8_t compression = empty->lz4 ? kLz4 : kNotCompressed;
  char trailer[kTrailerBytes];
  Writer writer(trailer);
  writer.U8(compression);
  writer.U32(ChecksumOf(empty->bytes, compression));
  empty->bytes.append(trailer, sizeof trailer);
  status = file->Write(block.offset, empty->bytes);
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  return status;
}

}  // namespace gyre
