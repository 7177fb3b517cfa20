#include "CUring.h"
int kapok_uring_placeholder(void){return 0;}
