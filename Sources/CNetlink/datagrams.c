#define _GNU_SOURCE
#include "KapokDatagrams.h"

#include <sys/resource.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

/// Room for a timestamp, packet information and a TTL.
#define CONTROL_BYTES 128

static void read_control(struct msghdr *header, struct kapok_datagram *info)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS
            && c->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(c), sizeof time);
            info->arrival = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO
                   && c->cmsg_len >= CMSG_LEN(sizeof(struct in_pktinfo))) {
            struct in_pktinfo packet;
            memcpy(&packet, CMSG_DATA(c), sizeof packet);
            info->interface = (uint32_t)packet.ipi_ifindex;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL
                   && c->cmsg_len >= CMSG_LEN(sizeof(int))) {
            int ttl;
            memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
            info->ttl = (uint32_t)ttl;
        }
    }
}

int kapok_receive_datagrams(
    int descriptor, uint8_t *buffer, uint32_t slot_bytes, struct kapok_datagram *info, int count)
{
    struct mmsghdr headers[kapok_datagrams_at_once];
    struct iovec parts[kapok_datagrams_at_once];
    struct sockaddr_in sources[kapok_datagrams_at_once];
    _Alignas(struct cmsghdr) uint8_t control[kapok_datagrams_at_once][CONTROL_BYTES];
    if (count > kapok_datagrams_at_once) count = kapok_datagrams_at_once;
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){buffer + (size_t)i * slot_bytes, slot_bytes};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &sources[i], .msg_namelen = sizeof sources[i], .msg_iov = &parts[i],
            .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = CONTROL_BYTES};
        headers[i].msg_len = 0;
    }
    int got = recvmmsg(descriptor, headers, (unsigned)count, MSG_DONTWAIT, NULL);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < got; i++) {
        info[i] = (struct kapok_datagram){
            .source = ntohl(sources[i].sin_addr.s_addr), .length = headers[i].msg_len};
        if (headers[i].msg_hdr.msg_flags & MSG_TRUNC) info[i].length = slot_bytes + 1;
        read_control(&headers[i].msg_hdr, &info[i]);
    }
    return got;
}

static int send_some(
    int descriptor, const uint8_t *buffer, struct kapok_outgoing *list, int count)
{
    struct mmsghdr headers[kapok_datagrams_at_once];
    struct iovec parts[kapok_datagrams_at_once];
    struct sockaddr_in targets[kapok_datagrams_at_once];
    _Alignas(struct cmsghdr)
        uint8_t control[kapok_datagrams_at_once][CMSG_SPACE(sizeof(struct in_pktinfo))];
    memset(control, 0, sizeof control[0] * (size_t)count);
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){(void *)(buffer + list[i].offset), list[i].length};
        targets[i] = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons((uint16_t)list[i].port),
            .sin_addr.s_addr = htonl(list[i].destination)};
        struct cmsghdr *c = (struct cmsghdr *)control[i];
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        struct in_pktinfo packet = {
            .ipi_ifindex = (int)list[i].interface, .ipi_spec_dst.s_addr = htonl(list[i].source)};
        memcpy(CMSG_DATA(c), &packet, sizeof packet);
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &targets[i], .msg_namelen = sizeof targets[i], .msg_iov = &parts[i],
            .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
        headers[i].msg_len = 0;
        list[i].error = 0;
    }
    int done = 0, sent = 0;
    while (done < count) {
        int result = sendmmsg(
            descriptor, headers + done, (unsigned)(count - done), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (result > 0) {
            sent += result;
            done += result;
        } else {
            // The first of the rest failed: leave it out and go on behind it.
            list[done].error = errno;
            done += 1;
        }
    }
    return sent;
}

int kapok_send_datagrams(
    int descriptor, const uint8_t *buffer, struct kapok_outgoing *list, int count)
{
    int sent = 0;
    for (int done = 0; done < count; done += kapok_datagrams_at_once) {
        int some = count - done;
        if (some > kapok_datagrams_at_once) some = kapok_datagrams_at_once;
        sent += send_some(descriptor, buffer, list + done, some);
    }
    return sent;
}

int kapok_wait_until(struct pollfd *items, int count, uint64_t deadline)
{
    struct timespec now, rest = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (deadline > time) {
        rest.tv_sec = (time_t)((deadline - time) / 1000000000u);
        rest.tv_nsec = (long)((deadline - time) % 1000000000u);
    }
    int ready = ppoll(items, (nfds_t)count, &rest, NULL);
    if (ready >= 0) return ready;
    return errno == EINTR ? 0 : -errno;
}

void kapok_wait_exactly(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL);
}

int kapok_lock_memory(void)
{
    // Pages are locked when they are first used: whole stacks and arenas would be too much.
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 ? 0 : errno;
}

int kapok_run_first(int priority)
{
    if (priority == 0) {
        return setpriority(PRIO_PROCESS, 0, -20) == 0 ? 0 : errno;
    }
    struct sched_param parameters = {.sched_priority = priority};
    // New processes and threads start as ordinary ones.
    int result = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters);
    return result == 0 ? 0 : errno;
}

uint64_t kapok_thread_cpu_nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}
