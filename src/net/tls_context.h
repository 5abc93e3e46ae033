// The certificates that links between nodes are encrypted with: TLS 1.3 only, each side shows its
// certificate, and each accepts what the authorities in one file have signed.
//
// The files are read again when they have changed, as soon as a new link is made: certificates are
// renewed without a restart. While the new ones cannot be used, the old ones are, and the log says
// why. Links that are up keep what they began with.
//
// One for the whole node: all methods are for any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.h"
#include "base/result.h"

struct ssl_ctx_st;

namespace gyre {

// PEM files.
struct TlsFiles {
  std::string certificate;  // this node's; behind it those between it and the authority, if any
  std::string key;          // of the certificate
  std::string ca;           // the authorities that other nodes' certificates must lead to
};

class TlsContext {
 public:
  // `log` must outlive this; null: none.
  // Errors: kInvalidArgument, with the file's name: it cannot be read, is not what it should be, or
  // certificate and key do not fit each other.
  static Result<std::shared_ptr<TlsContext>> Load(const TlsFiles& files, Log* log);

  // What to begin a new link with. Three calls of stat; reads the files only if they have changed.
  std::shared_ptr<ssl_ctx_st> ForNewLink();

  void NoteFailedHandshake() { ++handshakes_failed_; }
  std::uint64_t handshakes_failed() const { return handshakes_failed_; }

 private:
  TlsContext(TlsFiles files, Log* log) : files_(std::move(files)), log_(log) {}
  // Differs if a file was written or replaced.
  std::string Fingerprint() const;

  const TlsFiles files_;
  Log* const log_;
  std::mutex mutex_;
  std::string fingerprint_;              // of what was read last, good or not; under mutex_
  std::shared_ptr<ssl_ctx_st> context_;  // under mutex_
  std::atomic<std::uint64_t> handshakes_failed_{0};
};

}  // namespace gyre
