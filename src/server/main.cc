#include "cli/cli.h"

// What jemalloc is told, unless MALLOC_CONF says otherwise. Rows lie scattered over all of a node's
// memory, and with pages of 4 KiB each touch of one first misses the processor's table of pages.
extern "C" const char* malloc_conf;
const char* malloc_conf = "thp:always";

int main(int argc, char** argv) { return gyre::CliMain(argc, argv); }
