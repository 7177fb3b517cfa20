#include "CKernels.h"
int kapok_kernels_placeholder(void){return 0;}
