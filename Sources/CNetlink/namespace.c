#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>

#include "KapokNamespace.h"

int kapok_enter_network_namespace(int descriptor) {
    return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : errno;
}
