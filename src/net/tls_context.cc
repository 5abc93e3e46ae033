#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <utility>

#include "net/tls_text.h"

namespace gyre {
namespace {

tl::unexpected<Error> BadFile(const std::string& file, const std::string& problem) {
  return Fail(ErrorCode::kInvalidArgument, file + ": " + problem);
}

Result<std::shared_ptr<SSL_CTX>> ReadContext(const TlsFiles& files) {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_method()), SSL_CTX_free);
  if (context == nullptr) return Fail(ErrorCode::kIoError, "OpenSSL: " + TlsErrorText());
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  // Links live long: nothing is worth resuming, and no ticket has to be written or kept.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // A key that asks for a passphrase would make the node wait for a terminal.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return -1; });

  if (SSL_CTX_use_certificate_chain_file(raw, files.certificate.c_str()) != 1) {
    return BadFile(files.certificate, "no certificate in PEM form can be read: " + TlsErrorText());
  }
  if (SSL_CTX_use_PrivateKey_file(raw, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return BadFile(files.key, "no key in PEM form, without a passphrase, that fits " +
                                  files.certificate + ": " + TlsErrorText());
  }
  if (SSL_CTX_load_verify_locations(raw, files.ca.c_str(), nullptr) != 1) {
    return BadFile(files.ca, "no certificates in PEM form can be read: " + TlsErrorText());
  }
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::Load(const TlsFiles& files, Log* log) {
  std::shared_ptr<TlsContext> loaded(new TlsContext(files, log));
  loaded->fingerprint_ = loaded->Fingerprint();
  Result<std::shared_ptr<SSL_CTX>> context = ReadContext(files);
  if (!context) return Fail(std::move(context.error()));
  loaded->context_ = std::move(*context);
  return loaded;
}

std::string TlsContext::Fingerprint() const {
  std::string text;
  for (const std::string* file : {&files_.certificate, &files_.key, &files_.ca}) {
    struct stat now {};
    if (stat(file->c_str(), &now) != 0) now = {};
    text += std::to_string(now.st_ino) + ':' + std::to_string(now.st_size) + ':' +
            std::to_string(now.st_mtim.tv_sec) + '.' + std::to_string(now.st_mtim.tv_nsec) + ' ';
  }
  return text;
}

std::shared_ptr<SSL_CTX> TlsContext::ForNewLink() {
  const std::lock_guard lock(mutex_);
  // Taken before the files are read: what is written meanwhile is read the next time.
  std::string fingerprint = Fingerprint();
  if (fingerprint == fingerprint_) return context_;
  fingerprint_ = std::move(fingerprint);
  Result<std::shared_ptr<SSL_CTX>> fresh = ReadContext(files_);
  if (fresh) context_ = std::move(*fresh);
  if (log_ == nullptr) return context_;
  if (fresh) {
    log_->Write(LogLevel::kInfo, "certificates_read",
                "new links use the certificates as they are now",
                {{"certificate", files_.certificate}});
  } else {
    log_->Write(
        LogLevel::kWarning, "certificates_bad",
        "the certificates have changed and cannot be used; links go on with the former ones",
        {{"problem", fresh.error().message}});
  }
  return context_;
}

}  // namespace gyre
