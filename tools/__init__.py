"""What makes files of this repository from data of others."""
