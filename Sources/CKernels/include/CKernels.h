int kapok_kernels_placeholder(void); 
